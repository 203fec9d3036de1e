package gwsync

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

func ptr[T any](v T) *T { return &v }

func TestEventsAreOrders(t *testing.T) {
	at := edge.SessionRef{AcctSessionID: "s1", AcctUniqueID: "u1"}
	for name, test := range map[string]struct {
		event edge.Event
		want  sessions.Order
	}{
		"disconnect": {edge.Event{Disconnect: &at}, sessions.Order{Kind: sessions.OrderDisconnect, AcctSessionID: "s1"}},
		"extend": {edge.Event{Extend: &edge.Extend{SessionRef: at, Seconds: 60, Octets: 7}},
			sessions.Order{Kind: sessions.OrderExtend, AcctSessionID: "s1", Extension: sessions.Extension{Time: time.Minute, Data: 7}}},
		"extend by less than nothing": {edge.Event{Extend: &edge.Extend{SessionRef: at, Seconds: -1}}, sessions.Order{}},
		"extend beyond time":          {edge.Event{Extend: &edge.Extend{SessionRef: at, Seconds: 1 << 60}}, sessions.Order{}},
		"rate": {edge.Event{Rate: &edge.Rate{SessionRef: at, Down: ptr(int64(0))}},
			sessions.Order{Kind: sessions.OrderRate, AcctSessionID: "s1", Extension: sessions.Extension{RateDown: ptr(sessions.BitRate(0))}}},
		"admit": {edge.Event{Admit: &edge.Admit{MAC: "02-00-5E-10-00-FE", Username: "bob", UserID: 7, SessionTimeout: ptr(int64(60))}},
			sessions.Order{Kind: sessions.OrderAdmit, MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 0xfe}, Username: "bob", UserID: 7,
				Limits: sessions.Limits{SessionTimeout: ptr(time.Minute)}}},
		"admit nobody":  {edge.Event{Admit: &edge.Admit{MAC: "x", Username: "bob"}}, sessions.Order{}},
		"erase":         {edge.Event{Erase: &edge.Erase{UserID: 7, Username: "bob"}}, sessions.Order{Kind: sessions.OrderErase, UserID: 7, Username: "bob"}},
		"a later one's": {edge.Event{}, sessions.Order{}},
	} {
		t.Run(name, func(t *testing.T) {
			test.event.ID, test.want.ID = "e1", "e1"
			want(t, "order", order(&test.event), test.want)
		})
	}
}

func TestEventsTakeEffectAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.governor.status = edge.Status{Version: "1.0", Sessions: 3, ConfigurationError: "böse\n"}
		r.run(r.Puller.Run)
		r.pass(7 * time.Second) // into the wait of a poll
		var told edge.Status
		r.centre.set(func() {
			if err := json.Unmarshal([]byte(r.centre.headers.Get(edge.StatusHeader)), &told); err != nil {
				t.Error(err)
			}
		})
		want(t, "status", told, r.governor.status)
		r.governor.fail(errors.New("disk full"))
		kick := edge.Event{ID: "e1", Disconnect: &edge.SessionRef{AcctSessionID: "s1"}}
		r.centre.publish("", edge.ChangesAnswer{Cursor: "c1", Changes: []edge.Change{{Account: edgeAccount(7, "bob")}, {Event: &kick},
			{Configuration: &edge.Configuration{Version: 4, Settings: json.RawMessage(`{"portal":{}}`)}}}})
		synctest.Wait() // no time passes
		if orders, _ := r.governor.told(); len(orders) != 0 {
			t.Fatal("an order that failed was taken for done")
		}
		r.pass(2 * time.Second)
		orders, configured := r.governor.told()
		want(t, "orders", orders, []sessions.Order{{ID: "e1", Kind: sessions.OrderDisconnect, AcctSessionID: "s1"}})
		want(t, "configured", configured, []string{`4 {"portal":{}}`})
		want(t, "changed", r.takeChanged(), []string{"bob", "bob"}) // before the order, both times

		r.centre.publish("c1", edge.ChangesAnswer{Cursor: "c2", Changes: []edge.Change{{Event: &edge.Event{ID: "e2", Erase: &edge.Erase{UserID: 7, Username: "bob"}}}}})
		synctest.Wait()
		if _, err := r.mirror.Account(t.Context(), "bob"); !errors.Is(err, sessions.ErrNoAccount) {
			t.Errorf("bob is still there: %v", err)
		}
		want(t, "changed by the erasure", r.takeChanged(), []string{"bob"})
	})
}

func TestOutcomesGoUp(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		d := &dates{}
		got, ok, err := d.record(t.Context(), sessions.OutboxEntry{Seq: 9, Outcome: &sessions.Outcome{Order: "e1", Status: sessions.OutcomeRefused, Reason: "blocked"}})
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		want(t, "record", got, edge.Record{Seq: 9, Outcome: &edge.Outcome{Event: "e1", Status: edge.Refused, Reason: "blocked"}})
	})
}

// TestLostJournal: the centre knows of later records than the outbox ever had.
func TestLostJournal(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.centre.mergedThrough = 500
		for range 2 {
			r.fill(1)
			r.push()
		}
		if r.outbox.next() != 502 || r.logs.count("the journal was lost") != 1 {
			t.Errorf("the next number is %d; logged: %s", r.outbox.next(), r.logs.buf.String())
		}
	})
}
