// Package table is one nftables table of gatehouse's own, beside inet gatehouse: its rules as text, its elements by netlink,
// and news of what others delete from it.
//
// It owns the table gatehouse of the family that it is opened for. It must not know what the rules are for, and never
// touches another table.
//
// How it fails: a text or a change of elements is carried out whole or not at all.
//
// Entry points: Open, Table.Load, Table.Replace, Table.Parts, Watch.
package table
