package sim

import "slices"

// Shrink makes a schedule that fails smaller while it still breaks the same
// rule: trouble is spared and steps are left out until each one that is left is
// needed. It returns what the smallest one gives, with its transcript; of a
// schedule that does not fail, what that gives.
func Shrink(s Schedule) Result {
	r := Run(s)
	if r.Failure == "" {
		return r
	}
	k := shrinker{rule: r.rule, small: s}
	k.small.only = slices.DeleteFunc(s.steps(mostSteps), func(i int) bool { return i > r.last })
	if !k.fails(k.small) {
		k.small = s
		return Show(s)
	}
	for smaller := true; smaller; {
		smaller = k.spare()
		for size := len(k.small.only) / 2; size > 0; size /= 2 {
			smaller = k.leaveOut(size) || smaller
		}
	}
	return Show(k.small)
}

// mostSteps is more than any schedule has.
const mostSteps = 1000

type shrinker struct {
	rule  string
	small Schedule // the smallest that breaks the rule
}

func (k *shrinker) fails(s Schedule) bool { return Run(s).rule == k.rule }

// try takes the candidate if it still breaks the rule.
func (k *shrinker) try(s Schedule) bool {
	if !k.fails(s) {
		return false
	}
	k.small = s
	return true
}

// spare lets each kind of trouble not happen.
func (k *shrinker) spare() (smaller bool) {
	for t := trouble(1); t < noTrouble; t <<= 1 {
		if s := k.small; s.spared&t == 0 {
			s.spared |= t
			smaller = k.try(s) || smaller
		}
	}
	return smaller
}

// leaveOut leaves out so many steps at once, the newest first.
func (k *shrinker) leaveOut(size int) (smaller bool) {
	for end := len(k.small.only); end > 0; end -= size {
		s := k.small
		from := max(end-size, 0)
		s.only = append(append(make([]int, 0, len(s.only)), s.only[:from]...), s.only[end:]...)
		smaller = k.try(s) || smaller
	}
	return smaller
}
