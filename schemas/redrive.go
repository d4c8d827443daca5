package schemas

import (
	"strconv"
	"strings"
)

// RedrivePrefix begins the names of pushes that say dead ones again.
const RedrivePrefix = "redrive:"

// RedriveName is how the push is called that says this one again:
// redrive:<push id of the first of the chain>:<n>. It follows from the dead push
// alone, so that one push is not said again twice.
func RedriveName(push ID, name string) string {
	first, n := push, 0
	if rest, ok := strings.CutPrefix(name, RedrivePrefix); ok {
		id, count, _ := strings.Cut(rest, ":")
		parsed, bad := ParseID(id)
		if c, err := strconv.Atoi(count); err == nil && bad == nil && c > 0 {
			first, n = parsed, c
		}
	}
	return RedrivePrefix + first.String() + ":" + strconv.Itoa(n+1)
}
