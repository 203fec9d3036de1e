// Package mirror keeps a copy of what the centre owns and this gateway needs to let a known user in without it: the
// accounts seen here, AAA profiles, plans, vouchers by the keyed hashes of their codes, and how far the change feed was read. It
// implements sessions.Accounts and sessions.Vouchers.
//
// It must not know the wire: sync converts. It holds no password and no hash (DESIGN D10); verifiers are the journal's.
//
// How it fails: all of it can be had again from the centre. A file that is damaged or too new is thrown away and made
// again, with a line in the log; until the feed has been read again, users count as unknown and the centre is asked. Commits do
// not wait for the device: a power cut may take the last ones, never the order, and puts and deletions repeat harmlessly. Hence the
// one rule for the reader of the feed: apply the changes first, save the cursor after them.
//
// Entry points: Open, Mirror.Account, Mirror.PutAccount, Mirror.SetCursor.
package mirror
