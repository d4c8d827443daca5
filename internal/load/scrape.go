package load

import (
	"context"
	"strconv"
	"strings"
)

// series are a process's metrics: each series' name with its labels, and its
// value.
type series map[string]float64

// scrape reads /metrics of a private port.
func scrape(ctx context.Context, private string) (series, error) {
	b, err := fetch(ctx, "http://"+private+"/metrics")
	if err != nil {
		return nil, err
	}
	m := series{}
	for line := range strings.Lines(string(b)) {
		name, value, ok := cutLast(strings.TrimSuffix(line, "\n"))
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			m[name] = v
		}
	}
	return m, nil
}

func cutLast(line string) (name, value string, ok bool) {
	i := strings.LastIndexByte(line, ' ')
	if i < 0 {
		return "", "", false
	}
	return line[:i], line[i+1:], true
}

// sum of a metric's series, of those that contain the label if one is given.
func (m series) sum(name, label string) (sum float64) {
	for at, v := range m {
		if rest, ok := strings.CutPrefix(at, name); ok && (rest == "" || rest[0] == '{') && strings.Contains(rest, label) {
			sum += v
		}
	}
	return sum
}
