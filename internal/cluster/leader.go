package cluster

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Place is where a partition is.
type Place struct {
	Leader int // a node; -1 = none at the moment
	InSync []int
}

// Place asks the living nodes where a partition is. Node ids begin with 1.
func (c *Cluster) Place(ctx context.Context, topic string, partition int32) (Place, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...))
	if err != nil {
		return Place{}, fmt.Errorf("ask for the leader of %s/%d: %w", topic, partition, err)
	}
	defer client.Close()
	details, err := kadm.NewClient(client).ListTopics(ctx, topic)
	if err == nil {
		err = details.Error()
	}
	if err != nil {
		return Place{}, fmt.Errorf("ask for the leader of %s/%d: %w", topic, partition, err)
	}
	d, ok := details[topic].Partitions[partition]
	if !ok {
		return Place{}, fmt.Errorf("ask for the leader of %s/%d: there is no such partition", topic, partition)
	}
	p := Place{Leader: int(d.Leader)}
	for _, id := range d.ISR {
		p.InSync = append(p.InSync, int(id))
	}
	slices.Sort(p.InSync)
	return p, nil
}
