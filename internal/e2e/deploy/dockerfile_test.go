package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"waybill/internal/e2e/program"
)

// instructions of the Dockerfile, one on each line.
func instructions(t testing.TB) (all [][]string) {
	t.Helper()
	for _, line := range strings.Split(string(program.Read(t, "Dockerfile")), "\n") {
		if strings.HasSuffix(line, `\`) {
			t.Fatalf("%q goes on in the next line, which this test does not read", line)
		}
		if words := strings.Fields(line); len(words) > 0 && words[0][0] != '#' {
			all = append(all, words)
		}
	}
	return all
}

// installed is the binary's path in the image.
func installed(t testing.TB) string {
	t.Helper()
	for _, i := range instructions(t) {
		if i[0] == "ENTRYPOINT" {
			return strings.Trim(strings.Join(i[1:], " "), `[]"`)
		}
	}
	t.Fatal("the Dockerfile has no ENTRYPOINT")
	return ""
}

// TestImages: every image is pinned, and ours runs as nobody on a C library.
func TestImages(t *testing.T) {
	pinned := regexp.MustCompile(`^[a-z/-]+:\d+\.\d+\S*$`)
	var images, user []string
	for _, i := range instructions(t) {
		switch i[0] {
		case "FROM":
			images = append(images, i[1])
		case "USER":
			user = i[1:]
		}
	}
	for _, s := range load(t, secrets()).Services {
		if s.Image != image {
			images = append(images, s.Image)
		}
	}
	for _, name := range images {
		if !pinned.MatchString(name) {
			t.Errorf("image %s is not pinned to a version", name)
		}
	}
	if len(user) != 1 || !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user[0]) {
		t.Errorf("USER %v, want the numbers of a user who is not root", user)
	}
	// purego links the binary to the C library also without cgo.
	if last := images[1]; !strings.HasPrefix(last, "debian:") {
		t.Errorf("the last stage is made from %s; the binary needs glibc, which scratch, static images and alpine do not have", last)
	}
}

// TestBuildStage does what the build stage does, as far as it can go wrong
// with the repository: in a folder that has what is copied and nothing else,
// every package and embedded file is found, and the command is make's.
func TestBuildStage(t *testing.T) {
	root, dir := program.Root(t), t.TempDir()
	var build []string
	env := os.Environ()
	for _, i := range instructions(t) {
		switch {
		case i[0] == "COPY" && !strings.HasPrefix(i[1], "--from"):
			copyInto(t, filepath.Join(dir, i[len(i)-1]), root, i[1:len(i)-1])
		case i[0] == "ENV":
			env = append(env, i[1:]...)
		case i[0] == "RUN" && slices.Contains(i, "build"):
			build = i[1:]
		}
	}
	if i := slices.Index(build, "-o"); i < 0 || build[i+1] == "" {
		t.Fatalf("build command %q has no -o", build)
	}
	list := exec.Command("go", "list", "-mod=readonly", "-deps", "-f", "{{with .Error}}{{.}}{{end}}{{range .EmbedFiles}}{{end}}", build[len(build)-1])
	list.Dir, list.Env = dir, env
	if out, err := list.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "" {
		t.Errorf("what the Dockerfile copies is not what the binary is built from: %v\n%s", err, out)
	}
	found := regexp.MustCompile(`(?m)^GO_BUILD := (.*)$`).FindSubmatch(program.Read(t, "Makefile"))
	if len(found) != 2 || !strings.HasPrefix(strings.Join(build, " "), string(found[1])+" ") {
		t.Errorf("the image is built with %q, make build builds with %q", build, found)
	}
}

// copyInto copies as COPY does: the content of a folder, or files into a
// folder.
func copyInto(t testing.TB, to, root string, from []string) {
	t.Helper()
	for _, name := range from {
		path := filepath.Join(root, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatalf("COPY: %v", err)
		}
		if info.IsDir() {
			err = os.CopyFS(to, os.DirFS(path))
		} else {
			var b []byte
			if b, err = os.ReadFile(path); err == nil {
				err = os.WriteFile(filepath.Join(to, name), b, 0o644)
			}
		}
		if err != nil {
			t.Fatalf("COPY: %v", err)
		}
	}
}
