package main

import "context"

func bench(ctx context.Context, p programs, only string) error { return nil }
