package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"gatehouse/lab"
)

// programs are where `make build` put what is shown.
type programs struct{ gatehouse, central string }

const usage = `usage: gatehouse-lab demo [-bin DIR]
       gatehouse-lab bench [-bin DIR] [-only NAME]

demo   the main job on real packets; HOLD=1 keeps the lab up at the end
bench  figures beside their budgets; -only datapath, say, for those whose name begins so
`

func main() { os.Exit(lab.Main(run)) }

func run() int {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ContinueOnError)
	bin := flags.String("bin", "bin", "folder of the programs")
	only := flags.String("only", "", "bench: only the benches whose name begins so")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return 2
	}
	dir, err := filepath.Abs(*bin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	p := programs{gatehouse: filepath.Join(dir, "gatehouse"), central: filepath.Join(dir, "gatehouse-central")}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch os.Args[1] {
	case "demo":
		err = demo(ctx, p, os.Getenv("HOLD") != "")
	case "bench":
		err = bench(ctx, p, *only)
	default:
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gatehouse-lab:", err)
		return 1
	}
	return 0
}
