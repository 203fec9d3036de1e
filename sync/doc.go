// Package gwsync keeps a gateway and its centre in step: records of the outbox go up, accounts and profiles come down,
// and a login that cannot be decided here is asked there (DESIGN D8, D10, D12).
//
// It owns the client of /edge/v1/, the conversion between the domain and that contract, the dating of records made
// before the clock was believable, and all waiting and retrying. It must not know how journal and mirror store things
// (it declares Outbox and Mirror), nor decide what a changed account means for a session (Config.Changed does).
//
// How it fails: towards keeping. A record stays in the outbox until the centre says merged, duplicate or rejected; the
// mirror keeps what it had; a login that only the centre could decide gets sessions.ErrUnreachable. Nothing here holds
// up a station that is known. Any step may be cut off and is repeated later with the same keys.
//
// Entry points: New; then Sync.Pusher.Run and Sync.Puller.Run as tasks, Sync.Pusher.Wake, Sync.Authority, Sync.Status.
package gwsync
