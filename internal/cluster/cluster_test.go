package cluster

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

// holderVariable makes this binary a process that holds a cluster in the folder
// of that name and does nothing else.
const holderVariable = "WAYBILL_CLUSTER_HOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holderVariable); dir != "" {
		hold(dir)
	}
	goleak.VerifyTestMain(m)
}

// TestNodes: three nodes lose one, which comes back.
func TestNodes(t *testing.T) {
	needJava(t)
	ctx := t.Context()
	c := start(t, 3)
	create(t, c, "freight")
	before := place(t, c, "freight")
	if diff := cmp.Diff([]int{1, 2, 3}, before.InSync); diff != "" {
		t.Fatalf("in sync (-want +got):\n%s", diff)
	}

	if err := c.Kill(ctx, before.Leader); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(ctx, before.Leader); err == nil || !strings.Contains(err.Error(), "does not run") {
		t.Errorf("a second kill: got %v, want that the node does not run", err)
	}
	await(t, "another leader", func() bool {
		p := place(t, c, "freight")
		return p.Leader > 0 && p.Leader != before.Leader && len(p.InSync) == 2
	})
	if err := c.Restart(ctx, before.Leader); err != nil {
		t.Fatal(err)
	}
	await(t, "all in sync", func() bool { return len(place(t, c, "freight").InSync) == 3 })
}

// TestPause: a stopped node keeps its sockets and says nothing.
func TestPause(t *testing.T) {
	needJava(t)
	c := start(t, 1)
	if err := c.Pause(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", c.Addrs()[0])
	if err != nil {
		t.Fatalf("dial a paused node: %v", err)
	}
	_ = conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := c.Place(ctx, "freight", 0); err == nil {
		t.Error("a paused node has answered")
	}
	if err := c.Wake(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	create(t, c, "freight")
}

// TestHolderKilled: no broker outlives the process that started it.
func TestHolderKilled(t *testing.T) {
	needJava(t)
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holderVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the holder has said %q: %v", addr, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	await(t, "the broker and its data to be gone", func() bool {
		left, err := os.ReadDir(dir)
		return os.IsNotExist(err) || err == nil && len(left) == 0
	})
	if conn, err := net.Dial("tcp", strings.TrimSpace(addr)); err == nil {
		_ = conn.Close()
		t.Error("the broker still listens")
	}
}

// TestNoCluster: what cannot be started says why.
func TestNoCluster(t *testing.T) {
	needJava(t)
	if _, err := Start(t.Context(), Config{Nodes: 2, Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "1 or 3 nodes") {
		t.Errorf("two nodes: got %v, want what is allowed", err)
	}
	_, err := Start(t.Context(), Config{Nodes: 1, Dir: t.TempDir(), Extra: "process.roles=nothing"})
	if err == nil || !strings.Contains(err.Error(), "process.roles") {
		t.Errorf("a wrong setting: got %v, want Kafka's complaint", err)
	}
}

// hold is the whole life of a holder.
func hold(dir string) {
	c, err := Start(context.Background(), Config{Nodes: 1, Dir: dir})
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString(c.Addrs()[0] + "\n")
	select {}
}

// needJava skips on machines that have promised no Java: make test needs none.
func needJava(t *testing.T) {
	t.Helper()
	if os.Getenv("WAYBILL_ENGINES") != "real" {
		t.Skip("starts Apache Kafka, which needs Java: make test-engines runs this")
	}
	t.Parallel()
}

func start(t *testing.T, nodes int) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c, err := Start(ctx, Config{Nodes: nodes, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// create makes a topic of one partition, with as many copies as there are nodes.
func create(t *testing.T, c *Cluster, topic string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, -1, nil, topic); err != nil {
		t.Fatal(err)
	}
	await(t, "a leader", func() bool { return slices.Contains([]int{1, 2, 3}, place(t, c, topic).Leader) })
}

// place of partition 0.
func place(t *testing.T, c *Cluster, topic string) Place {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := c.Place(ctx, topic, 0)
	if err != nil {
		return Place{Leader: -1} // while an election goes on
	}
	return p
}

// await asks until it is so.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for !cond() {
		select {
		case <-every.C:
		case <-late.C:
			t.Fatalf("waited a minute for %s", what)
		}
	}
}
