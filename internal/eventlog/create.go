package eventlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// CreateTopics creates the missing topics and checks the others. Its error says
// of every topic what differs; nothing that exists is changed, since more
// partitions would give keys another place.
func (l *Log) CreateTopics(ctx context.Context, specs []TopicSpec) error {
	var old []TopicSpec
	for _, s := range specs {
		_, err := l.askTopic(ctx, s.Name)
		created := false
		if errors.Is(err, ErrUnknownTopic) {
			created, err = l.create(ctx, s)
		}
		if err != nil {
			return fmt.Errorf("create topic %s: %w", s.Name, err)
		}
		if !created {
			old = append(old, s)
		}
	}
	if len(old) == 0 {
		return nil
	}
	return l.checkTopics(ctx, old)
}

func names(specs []TopicSpec) []string {
	var all []string
	for _, s := range specs {
		all = append(all, s.Name)
	}
	return all
}

// create says false where somebody else was faster.
func (l *Log) create(ctx context.Context, s TopicSpec) (bool, error) {
	settings := make(map[string]*string)
	for k, v := range s.Settings {
		settings[k] = &v
	}
	r, err := l.admin.CreateTopic(ctx, s.Partitions, s.Replication, settings, s.Name)
	switch {
	case errors.Is(err, kerr.TopicAlreadyExists):
		return false, nil
	case err != nil && r.ErrMessage != "":
		return false, fmt.Errorf("%w: %s", err, r.ErrMessage)
	case err != nil:
		return false, err
	}
	l.cfg.Log.Info("topic created", "topic", s.Name, "partitions", s.Partitions)
	return true, nil
}

func (l *Log) checkTopics(ctx context.Context, specs []TopicSpec) error {
	configs, err := l.admin.DescribeTopicConfigs(ctx, names(specs)...)
	if err != nil {
		return fmt.Errorf("check topics: %w", err)
	}
	var wrong []error
	for _, s := range specs {
		config, err := configs.On(s.Name, nil)
		if err == nil {
			err = config.Err
		}
		is, asked := l.askTopic(ctx, s.Name)
		if err = errors.Join(err, asked); err != nil {
			wrong = append(wrong, fmt.Errorf("check topic %s: %w", s.Name, err))
			continue
		}
		wrong = append(wrong, s.compare(is, config)...)
	}
	return errors.Join(wrong...)
}

// ErrTopicDiffers is what CreateTopics finds in an existing topic.
var ErrTopicDiffers = errors.New("the topic is not as Waybill needs it")

func (s TopicSpec) compare(t topic, config kadm.ResourceConfig) []error {
	var wrong []error
	differs := func(what, is, want string) {
		wrong = append(wrong, fmt.Errorf("check topic %s: %w: %s is %s, must be %s", s.Name, ErrTopicDiffers, what, is, want))
	}
	if t.partitions != s.Partitions && !s.Keeps {
		differs("the number of partitions", fmt.Sprint(t.partitions), fmt.Sprint(s.Partitions))
	}
	is := make(map[string]string)
	for _, c := range config.Configs {
		is[c.Key] = c.MaybeValue()
	}
	for _, k := range slices.Sorted(maps.Keys(s.Settings)) {
		if want := s.Settings[k]; is[k] != want && !(k == retentionMs && keepsLonger(is[k], want)) {
			differs(k, is[k], want)
		}
	}
	return wrong
}

func keepsLonger(is, want string) bool {
	a, errA := strconv.ParseInt(is, 10, 64)
	b, errB := strconv.ParseInt(want, 10, 64)
	return errA == nil && errB == nil && b >= 0 && (a < 0 || a > b)
}
