package load

import (
	"fmt"
	"strconv"
	"strings"
)

// Figure is one number that the project has a goal for, or wants to see.
type Figure struct {
	Key   string  `json:"key"`  // case.what, the same in every report
	Name  string  `json:"name"` // what it is, beside the case
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Goal  Goal    `json:"goal,omitzero"`
}

// Goal of a figure; 0 = none on that side.
type Goal struct {
	AtLeast float64 `json:"at_least,omitempty"`
	AtMost  float64 `json:"at_most,omitempty"`
}

// Verdicts on a figure.
const (
	Holds    = "holds"
	Missed   = "missed"
	Reported = "reported" // there is no goal
)

// Verdict says whether the figure's goal holds. An entry with errors holds none:
// it lost pushes or was not measured as it was meant, however good it looks.
func (e *Entry) Verdict(f Figure) string {
	if v := f.verdict(); v == Reported || len(e.Errors) == 0 {
		return v
	}
	return Missed
}

// verdict on the number alone. What was not measured (0) misses its goal.
func (f Figure) verdict() string {
	switch {
	case f.Goal == Goal{}:
		return Reported
	case f.Value <= 0 || f.Value < f.Goal.AtLeast || f.Goal.AtMost > 0 && f.Value > f.Goal.AtMost:
		return Missed
	}
	return Holds
}

func (g Goal) text() string {
	switch {
	case g.AtLeast > 0:
		return "≥ " + number(g.AtLeast)
	case g.AtMost > 0:
		return "≤ " + number(g.AtMost)
	}
	return "–"
}

// number writes three or more digits, and no more than say something.
func number(v float64) string {
	switch {
	case v >= 1000:
		return thousands(v)
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v == float64(int64(v)):
		return strconv.FormatInt(int64(v), 10)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= .1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// row of the page's first table; was is the first figure that was measured.
func (e *Entry) row(f Figure, was string) string {
	verdict := e.Verdict(f)
	if verdict == Missed {
		verdict = "**missed**"
	}
	if len(e.Errors) > 0 {
		verdict += ", see *Errors*"
	}
	if was == "" {
		was = "–"
	}
	value := "not measured"
	if f.Value > 0 {
		value = number(f.Value)
	}
	return fmt.Sprintf("| %s: %s | %s | %s | %s | %s | %s |\n", e.Name, f.Name, f.Unit, f.Goal.text(), was, value, verdict)
}

// columns of that table.
func figureHead() string {
	return "| figure | unit | goal | first | now | |\n" + "|" + strings.Repeat("---|", 6) + "\n"
}
