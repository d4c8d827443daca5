package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"waybill/client"
	"waybill/internal/app"
	"waybill/schemas"
)

type deviceCmd struct {
	Gate    []string `help:"Gates to begin with." default:"127.0.0.1:7400" env:"WAYBILL_GATES"`
	User    string   `help:"Who the device belongs to." required:""`
	Device  string   `help:"Name of the device; default: the user's name and -phone."`
	Token   string   `help:"Device token; default: signed with the key of the dev directory." env:"WAYBILL_TOKEN"`
	Dir     string   `help:"The dev directory." default:".waybill" type:"path" env:"WAYBILL_DIR"`
	State   string   `help:"File of the device's state; default: in the dev directory." type:"path"`
	Family  uint16   `help:"Family of what is typed." default:"1"`
	Command uint16   `help:"Command of what is typed." default:"0"`
}

// Run is a device until it is told to stop: each push is a line of output,
// each line of input an uplink.
func (c *deviceCmd) Run(ctx context.Context) error {
	if c.Device == "" {
		c.Device = c.User + "-phone"
	}
	token, err := c.token()
	if err != nil {
		return err
	}
	if c.State == "" {
		c.State = filepath.Join(c.Dir, "device-"+filepath.Base(c.User)+"-"+filepath.Base(c.Device)+".state")
	}
	d, err := client.New(client.Config{
		Addresses: c.Gate, Token: token, Store: client.NewFileStore(c.State),
		Platform: "terminal", Version: "1", Handler: printPush, OnNotice: printNotice,
	})
	if err != nil {
		return err
	}
	go c.sendLines(ctx, d)
	var closed *client.ClosedError
	if err = d.Run(ctx); errors.As(err, &closed) {
		return fmt.Errorf("the gate closed the session: %s %s", closed.Reason.Explain(), closed.Message)
	}
	return err
}

func (c *deviceCmd) token() (func(context.Context) (string, error), error) {
	if c.Token != "" {
		return func(context.Context) (string, error) { return c.Token, nil }, nil
	}
	a, err := app.LoadDevApp(filepath.Join(c.Dir, "app.json"))
	if err != nil {
		return nil, fmt.Errorf("no --token and no dev directory: %w", err)
	}
	return func(context.Context) (string, error) { return a.Token(c.User, c.Device) }, nil
}

func printPush(_ context.Context, p client.Push) error {
	fmt.Printf("%s  push %d.%d  %s\n          trace %s\n", clock(), p.Family, p.Command, p.Body, schemas.ID(p.Trace))
	return nil
}

func printNotice(n client.Notice) {
	line := fmt.Sprintf("%s  %s %s", clock(), n.Kind, n.Address)
	if n.Err != nil {
		line += fmt.Sprintf(" (%v; next try in %s)", n.Err, n.Wait.Round(time.Millisecond))
	}
	if n.Gap != nil {
		line += fmt.Sprintf(" with a gap: %s", n.Gap.Reason.Explain())
	}
	fmt.Println(line)
}

func clock() string { return time.Now().Format("15:04:05") }

// sendLines makes each line of standard input an uplink.
func (c *deviceCmd) sendLines(ctx context.Context, d *client.Client) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		err := d.Send(ctx, c.Family, c.Command, []byte(in.Text()))
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			fmt.Printf("%s  not sent: %v\n", clock(), err)
			continue
		}
		fmt.Printf("%s  in the log\n", clock())
	}
}
