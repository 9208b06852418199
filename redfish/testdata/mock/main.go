// Command mock runs the third-party Redfish server of ironcore-dev/metal-operator
// for redfish's RealPeer test. It is a module of its own because that server
// needs another gofish than this repository may have beside bmclib v2.3.5.
//
// It serves plain HTTP on the address of its first argument, obeys the words
// "unavailable" and "available" on standard input, and ends with that input.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	"github.com/ironcore-dev/metal-operator/bmc/mock/server"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: mock ADDRESS:PORT")
		os.Exit(2)
	}
	ctx, cancel := context.WithCancel(context.Background())
	mock := server.NewMockServer(logr.Discard(), os.Args[1], server.WithAuth())
	go func() {
		defer cancel()
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			mock.SetUnavailable(in.Text() == "unavailable")
			fmt.Println(in.Text())
		}
	}()
	if err := mock.Start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mock:", err)
		os.Exit(1)
	}
}
