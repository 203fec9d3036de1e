package neigh

import "container/list"

// recent is a map of bounded size that loses what was used longest ago.
type recent[K comparable, V any] struct {
	limit   int
	kept    func(K) bool // entries that must stay; nil: none
	entries map[K]*list.Element
	order   *list.List // the last used first
}

type recentEntry[K comparable, V any] struct {
	key   K
	value V
}

func newRecent[K comparable, V any](limit int, kept func(K) bool) *recent[K, V] {
	return &recent[K, V]{limit: limit, kept: kept, entries: map[K]*list.Element{}, order: list.New()}
}

// get is the value of a key, nil when there is none.
func (r *recent[K, V]) get(k K) *V {
	e, ok := r.entries[k]
	if !ok {
		return nil
	}
	return &e.Value.(*recentEntry[K, V]).value
}

// use is the value of a key, made when there is none. It is nil when there is no room: those used longest ago must stay.
func (r *recent[K, V]) use(k K) *V {
	if e, ok := r.entries[k]; ok {
		r.order.MoveToFront(e)
		return &e.Value.(*recentEntry[K, V]).value
	}
	if len(r.entries) >= r.limit && !r.makeRoom() {
		return nil
	}
	entry := &recentEntry[K, V]{key: k}
	r.entries[k] = r.order.PushFront(entry)
	return &entry.value
}

// makeRoom looks at a few entries only, so that a flood costs the same however many must stay.
func (r *recent[K, V]) makeRoom() bool {
	const tries = 8
	for range tries {
		oldest := r.order.Back()
		k := oldest.Value.(*recentEntry[K, V]).key
		if r.kept == nil || !r.kept(k) {
			r.order.Remove(oldest)
			delete(r.entries, k)
			return true
		}
		r.order.MoveToFront(oldest)
	}
	return false
}
