package main

import "context"

func benchPackets(ctx context.Context, p programs, r *report) error { return nil }
