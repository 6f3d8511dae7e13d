/* The ring: one pool of slots and a published index behind one output; its writer and its readers.
 *
 * Laws kept here:
 *   L4  a DF_WAIT reader sees every record, in order, once; a lossy reader sees an increasing subsequence, never a torn record.
 *   L5  published = taken + lost + waiting. Stored are head, tail and taken; the rest is computed (RULES 29). Exact at rest;
 *       in motion taken <= tail <= head, if read in this order.
 *   L10 a slot is written again only if it is not the newest, not in (tail, head] of any index, and in no lease word.
 *   head = h + 1 is the only linearisation point of a publication: killed before it, nothing happened.
 *
 * Every word has one writer, except `tail` of a DF_DROP_OLDEST reader (reader and writer, by compare-and-swap), `want` and
 * `sleeping` (set by one side, taken back by exchange on the other), `holders` of a lent block and `claim` of replicas without
 * order (by compare-and-swap).
 *
 * What it refuses to know: Python, dtypes, time, who wakes whom (`_bell.h`), memory files, contexts.
 *
 * `local` = writer and reader are the same thread: the same text, every access relaxed, no fence.
 */
#ifndef DF_RING_H
#define DF_RING_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define DF_OPEN UINT64_MAX /* the end word of an output that is not closed */
#define DF_LEASES 3        /* lease words of a reader: one for the record in hand, two for kept views */
#define DF_LARGE 16384     /* bytes of stride from which a hot slot is worth reading all tails at each loan */

#define DF_LOAD(word, order) atomic_load_explicit(word, memory_order_##order)
#define DF_STORE(word, value, order) atomic_store_explicit(word, value, memory_order_##order)
#define DF_SWAP(word, expected, value) \
    atomic_compare_exchange_strong_explicit(word, expected, value, memory_order_seq_cst, memory_order_acquire)

/* The answer 1 has taken the writer's wish back: who drops it has lost the stroke, and the writer may sleep for ever. */
#define DF_MUST_RING __attribute__((warn_unused_result))

enum { DF_WAIT, DF_DROP_NEW, DF_DROP_OLDEST, DF_LATEST };

/* What a slot holds. A tombstone stands for a record that an error has kept away: joins discard its whole set. A closing holds
 * no record and stands for none: it ends a firing, for whoever reads the rings of replicas in turn (RULES 10, 18). */
enum { DF_RECORD, DF_TOMBSTONE, DF_MARK, DF_CLOSING };

/* Shared memory ------------------------------------------------------------------------------------------------------------ */

typedef struct { /* one line in the writer's data segment */
    _Atomic uint64_t head, end;
    uint64_t pad[6];
} df_output_words;

typedef _Atomic uint32_t df_index_word;

typedef struct { /* one line in the control segment; lease = slot + 1, 0 = none */
    _Atomic uint64_t tail, taken;
    _Atomic uint32_t lease[DF_LEASES];
    _Atomic uint32_t gone;
    uint64_t pad[4];
} df_reader_words;

typedef struct { /* one line in the control segment, per output */
    _Atomic uint32_t want;
    uint32_t pad[15];
} df_want_words;

typedef struct {
    uint64_t seq;
    int64_t publish_ns, origin_ns;
    uint64_t firing;
    uint8_t kind;
    uint8_t last; /* 1: the firing publishes nothing more here; kept up to date for replicas only, like child and parent */
    uint8_t carries; /* 1: the object has metadata beside it */
    uint8_t pad0;
    uint32_t child; /* of the records of one firing, from 0 */
    uint64_t parent;
    uint32_t mark;
    uint8_t pad1[8];
    uint8_t cdr[4]; /* 00 01 00 00: slot[60:] is a little-endian CDR message */
} df_slot_header;

_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LONG_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
               "a word shared by processes must not hide a lock");
_Static_assert(sizeof(_Atomic uint64_t) == 8 && sizeof(_Atomic uint32_t) == 4, "shared words have no extra bytes");
_Static_assert(sizeof(df_output_words) == 64, "one cache line");
_Static_assert(sizeof(df_reader_words) == 64 && offsetof(df_reader_words, gone) == 28, "one cache line");
_Static_assert(sizeof(df_want_words) == 64, "one cache line");
_Static_assert(sizeof(df_slot_header) == 64, "the record lies at offset 64");
_Static_assert(offsetof(df_slot_header, kind) == 32 && offsetof(df_slot_header, child) == 36, "header as recorded");
_Static_assert(offsetof(df_slot_header, parent) == 40 && offsetof(df_slot_header, mark) == 48, "header as recorded");
_Static_assert(offsetof(df_slot_header, cdr) == 60, "the CDR header touches the record");

/* One process's sight of an index and the slots behind it. `index` maps seq -> slot at seq % entries;
 * entries >= max(greatest depth + 1, 2) (RULES 5). */
typedef struct {
    df_output_words *words;
    df_index_word *index;
    uint32_t entries;
    uint32_t nslots;
    char *slots;
    uint64_t stride;
} df_ring;

typedef struct { /* one line in the control segment, per instance of a replicated node */
    _Atomic uint64_t next;  /* the set it works on or waits for: those before are finished; DF_OPEN: it takes none any more */
    _Atomic uint64_t stop;  /* 1 + the set at which user code returned STOP; 0: it has not */
    _Atomic uint64_t claim; /* of instance 0: the set that any of them takes next */
    _Atomic uint32_t want;
    uint32_t pad[9];
} df_turn_words;

_Static_assert(sizeof(df_turn_words) == 64, "one cache line");

static inline char *df_slot(const df_ring *ring, uint32_t slot) { return ring->slots + slot * ring->stride; }

static inline uint32_t df_entry(const df_ring *ring, uint64_t seq) { return (uint32_t)(seq % ring->entries); }

static inline uint32_t df_next_entry(const df_ring *ring, uint32_t entry) {
    return entry + 1 == ring->entries ? 0 : entry + 1;
}

/* For onlookers (counters, the search for a deadlock): taken, then tail, then head, in this order. */
static inline uint64_t df_taken_word(df_reader_words *words) {
    return DF_LOAD(&words->taken, acquire); // pairs with df_finish: the tail read next is not older than this count
}
static inline uint64_t df_tail_word(df_reader_words *words) {
    return DF_LOAD(&words->tail, acquire); // pairs with df_finish, df_publish: the head read next is not older than this tail
}
static inline uint64_t df_head_word(df_output_words *words) {
    return DF_LOAD(&words->head, acquire); // pairs with df_publish: the slot's bytes are not read before
}
static inline uint32_t df_gone_word(df_reader_words *words) {
    return DF_LOAD(&words->gone, acquire); // pairs with df_leave: the reader's last look at a slot stays before
}
static inline uint32_t df_lease_word(df_reader_words *words, int which) {
    return DF_LOAD(&words->lease[which], acquire); // pairs with df_finish, df_unkeep: the reading of the slot stays before
}

/* Make fresh (zeroed) words an output that is open and has published nothing. Before anybody reads. */
static inline void df_output_open(df_output_words *words) {
    DF_STORE(&words->end, DF_OPEN, release); // pairs with df_end_word: nobody takes the zero of fresh memory for an end
}

/* Writer ------------------------------------------------------------------------------------------------------------------- */

/* The writer's sight of one reader. The caller fills words, depth, policy and own.
 *
 * A reader that does not see all that the output publishes has an index of its own over its slots: DF_DROP_NEW, which refuses some
 * records (RULES 9), and any lossy reader of an output with tombstones, which it never sees (RULES 10). */
typedef struct {
    df_reader_words *words;
    uint64_t depth, tail; /* tail = copy of the word (RULES 30) */
    int policy;
    uint8_t gone;
    df_ring own; /* words NULL: it reads the index of the output */
    uint64_t own_head, own_reclaimed;
    uint64_t dropped; /* refused (DF_DROP_NEW) or taken away (DF_DROP_OLDEST) by this writer */
} df_end;

/* States: without a loan, with a loan, closed. `free` is a stack of slots that nobody can reach any more; `aside` are slots
 * that only a lease keeps; `refs` counts the indices that show a slot, where there is more
 * than one (nown > 0). Slots of seq <= reclaimed are given back. */
typedef struct {
    df_ring ring;
    uint64_t head, reclaimed, room_until;
    df_end *ends;
    uint32_t nends;
    uint32_t *free;
    uint32_t nfree;
    uint16_t *refs;
    int32_t loaned;
    uint8_t local, closed;
    df_want_words *want;
    df_reader_words *spare; /* line of a tap, leases only (RULES 28); set by the caller after init, NULL: none */
    uint32_t *aside, *leased;
    uint32_t naside;
    uint32_t head_entry, reclaimed_entry; /* entries of head and of reclaimed: no division on the way */
    uint32_t nown, nlossy;                /* ends with an own index; those, and others of which a publication may drop */
    uint8_t eager;                        /* look for freed slots at each loan, not only when there is none */
    uint8_t alone;                        /* local, and read by one DF_WAIT reader only */
} df_writer;

/* Records that wait for a reader at most. */
static inline uint64_t df_shown(const df_end *e) { return e->policy == DF_LATEST ? 1 : e->depth; }

/* Slots that the compiler must give: one always is free when there is room. */
static inline uint64_t df_slots_needed(const df_end *ends, uint32_t nends, int spare) {
    uint64_t deepest = 1, own = 0;
    for (uint32_t i = 0; i < nends; i++) {
        if (ends[i].own.words) own += df_shown(&ends[i]);
        else if (df_shown(&ends[i]) > deepest) deepest = df_shown(&ends[i]);
    }
    return deepest + own + 1 + DF_LEASES * ((uint64_t)nends + (spare ? 1 : 0));
}

/* Step 1 of loan (RULES 4). Returns the last seq that the index of the output does not need; the newest is always needed. */
static inline uint64_t df_read_tails(df_writer *w) {
    uint64_t bound = w->head ? w->head - 1 : 0, room = UINT64_MAX;
    for (uint32_t i = 0; i < w->nends; i++) {
        df_end *e = &w->ends[i];
        if (e->policy == DF_LATEST || e->gone) continue;
        e->gone = (uint8_t)df_gone_word(e->words);
        if (e->gone) continue;
        e->tail = df_tail_word(e->words); // pairs with df_finish, df_take_oldest: leases are read after
        if (e->own.words) continue;
        if (e->tail < bound) bound = e->tail;
        if (e->policy == DF_WAIT && e->tail + e->depth < room) room = e->tail + e->depth;
    }
    w->room_until = room;
    return bound;
}

/* Step 2 of loan: every lease word once, into `leased`. Looking again for each candidate would see one reader in two slots,
 * and N would not suffice. The word of the record in hand comes before those of kept views: a keep copies from it to them. */
static inline uint32_t df_read_leases(df_writer *w) {
    uint32_t count = 0;
    for (uint32_t i = 0; i <= w->nends; i++) {
        df_reader_words *words = i < w->nends ? w->ends[i].words : w->spare;
        if (!words) continue;
        for (int which = 0; which < DF_LEASES; which++) {
            // pairs with df_take_newest, df_keep: not before head = h + 1, nor before the tails
            uint32_t lease = w->local ? DF_LOAD(&words->lease[which], relaxed) : DF_LOAD(&words->lease[which], seq_cst);
            if (lease) w->leased[count++] = lease - 1;
        }
    }
    return count;
}

/* Step 3 of loan, per slot that no index shows: to the free stack, or aside while the snapshot names it. */
static inline void df_reclaim(df_writer *w, uint32_t slot, uint32_t nleased) {
    for (uint32_t i = 0; i < nleased; i++)
        if (w->leased[i] == slot) {
            w->aside[w->naside++] = slot;
            return;
        }
    w->free[w->nfree++] = slot;
}

static inline void df_hide(df_writer *w, const df_ring *ring, uint32_t entry, uint32_t nleased) {
    uint32_t slot = DF_LOAD(&ring->index[entry], relaxed); // pairs with nothing: the writer's own word
    if (!w->nown || --w->refs[slot] == 0) df_reclaim(w, slot, nleased);
}

/* The last record of an own index that it does not need; the newest of a DF_LATEST reader is always needed. */
static inline uint64_t df_own_bound(const df_end *e) {
    if (e->policy == DF_LATEST) return e->own_head ? e->own_head - 1 : 0;
    return e->gone || e->tail > e->own_head ? e->own_head : e->tail;
}

static inline void df_reclaim_own(df_writer *w, uint32_t nleased) {
    for (uint32_t i = 0; i < w->nends; i++) {
        df_end *e = &w->ends[i];
        if (!e->own.words) continue;
        uint64_t bound = df_own_bound(e);
        while (e->own_reclaimed < bound) df_hide(w, &e->own, df_entry(&e->own, ++e->own_reclaimed), nleased);
    }
}

static inline uint32_t df_any_lease(df_reader_words *words) {
    uint32_t any = 0;
    for (int which = 0; which < DF_LEASES; which++)
        any |= DF_LOAD(&words->lease[which], relaxed); // same thread; a tap's is looked at again by the tap itself
    return any;
}

/* df_refresh for the commonest case, a local chain without kept views, in a fifth of its instructions. 0: look properly. */
static inline int df_refresh_alone(df_writer *w) {
    df_end *e = w->ends;
    if (w->naside || e->gone || df_gone_word(e->words) || df_any_lease(e->words) || (w->spare && df_any_lease(w->spare))) return 0;
    e->tail = DF_LOAD(&e->words->tail, relaxed); // same thread
    w->room_until = e->tail + e->depth;
    while (w->reclaimed < e->tail && w->reclaimed + 1 < w->head) {
        w->reclaimed++;
        w->reclaimed_entry = df_next_entry(&w->ring, w->reclaimed_entry);
        w->free[w->nfree++] = DF_LOAD(&w->ring.index[w->reclaimed_entry], relaxed); // pairs with nothing: the writer's own word
    }
    return 1;
}

/* Give back what readers have passed. A slot found free stays free: it cannot be leased again with right, because a reader's
 * lease counts only if the tail or the head stood still behind it. */
static inline void df_refresh(df_writer *w) {
    uint64_t bound = df_read_tails(w);
    if (bound <= w->reclaimed && !w->naside && !w->nown) return;
    uint32_t nleased = df_read_leases(w), naside = w->naside;
    w->naside = 0;
    for (uint32_t i = 0; i < naside; i++) df_reclaim(w, w->aside[i], nleased);
    if (w->nown) df_reclaim_own(w, nleased);
    while (w->reclaimed < bound) {
        w->reclaimed++;
        w->reclaimed_entry = df_next_entry(&w->ring, w->reclaimed_entry);
        df_hide(w, &w->ring, w->reclaimed_entry, nleased);
    }
}

/* After a publication (RULES 5), and at attach for a writer that died in between. A reader that has gone makes no difference
 * here nor in df_offer: its count of unread records stays within its depth. */
static inline void df_drop_oldest(df_writer *w, df_end *e) {
    uint64_t head = e->own.words ? e->own_head : w->head;
    if (head - e->tail <= e->depth) return;
    uint64_t tail = df_tail_word(e->words); // pairs with df_take_oldest: the copy only ever lags
    if (head - tail > e->depth) {
        // pairs with df_take_oldest: either the reader has this record, or it is dropped; head = h + 1 stays before
        if (DF_SWAP(&e->words->tail, &tail, tail + 1)) {
            e->dropped++;
            tail++;
        }
    }
    e->tail = tail;
}

/* Show the newest record in the edge's own index, or refuse it. Its entry is one that the last loan has given back. */
static inline void df_offer(df_writer *w, df_end *e, uint32_t slot) {
    if (e->policy == DF_DROP_NEW) {
        if (e->own_head - e->tail >= e->depth) e->tail = df_tail_word(e->words); // pairs with df_finish: the entry was passed
        if (e->own_head - e->tail >= e->depth) {
            e->dropped++;
            return;
        }
    }
    assert(e->own_head + 1 - e->own_reclaimed <= e->own.entries);
    w->refs[slot]++;
    e->own_head++;
    df_index_word *entry = &e->own.index[df_entry(&e->own, e->own_head)];
    if (w->local) {
        DF_STORE(entry, slot, relaxed);                       // same thread
        DF_STORE(&e->own.words->head, e->own_head, relaxed);  // same thread
    } else {
        DF_STORE(entry, slot, release);                       // pairs with df_take, as in df_publish: not before the tail was read
        DF_STORE(&e->own.words->head, e->own_head, seq_cst);  // pairs with df_waiting, df_take_newest: as in df_publish
    }
}

static inline void df_writer_free(df_writer *w) {
    free(w->free);
    w->free = NULL;
}

/* The slots that the indices show, from shared memory alone: a writer that died may be followed by another. Everything else
 * goes aside, and the first loan sorts it with a fresh snapshot of the leases. */
static inline void df_recover(df_writer *w) {
    for (uint32_t i = 0; i < w->nends; i++) {
        df_end *e = &w->ends[i];
        if (e->own.words) e->own_head = DF_LOAD(&e->own.words->head, relaxed); // pairs with nothing: the writer's own word
        if (e->policy == DF_DROP_OLDEST) df_drop_oldest(w, e);
        if (!e->own.words) continue;
        e->tail = df_tail_word(e->words); // pairs with df_finish: what it has passed is not shown
        e->own_reclaimed = df_own_bound(e);
        if (e->policy == DF_DROP_NEW) e->dropped = w->head - e->own_head; // tombstones of the one before count as refused
        for (uint64_t seq = e->own_reclaimed; seq < e->own_head; seq++)
            w->refs[DF_LOAD(&e->own.index[df_entry(&e->own, seq + 1)], relaxed)]++; // pairs with nothing: own word
    }
    w->reclaimed = df_read_tails(w);
    for (uint64_t seq = w->reclaimed; seq < w->head; seq++)
        w->refs[DF_LOAD(&w->ring.index[df_entry(&w->ring, seq + 1)], relaxed)]++; // pairs with nothing: own word
    for (uint32_t slot = w->ring.nslots; slot-- > 0;)
        if (!w->refs[slot]) w->aside[w->naside++] = slot;
}

/* Attach the writer of an output. Opens the words if nothing was published yet. -1: no memory. */
static inline int df_writer_init(df_writer *w, df_ring ring, df_end *ends, uint32_t nends, df_want_words *want, uint8_t local) {
    assert(ring.entries >= 2 && ring.nslots >= df_slots_needed(ends, nends, 0));
    *w = (df_writer){.ring = ring, .ends = ends, .nends = nends, .want = want, .local = local, .loaned = -1};
    w->free = calloc(3 * (size_t)ring.nslots + DF_LEASES * ((size_t)nends + 1), sizeof(uint32_t)); // one block: few cache lines
    if (!w->free) return -1;
    w->refs = (uint16_t *)(w->free + ring.nslots);
    w->aside = w->free + 2 * (size_t)ring.nslots;
    w->leased = w->aside + ring.nslots;
    w->head = DF_LOAD(&ring.words->head, relaxed); // pairs with nothing: the writer's own word
    for (uint32_t i = 0; i < nends; i++) {
        df_end *e = &ends[i];
        assert(e->policy != DF_DROP_NEW || e->own.words);
        assert((e->own.words ? e->own.entries : ring.entries) >= df_shown(e) + 1);
        e->tail = e->own_head = e->own_reclaimed = e->dropped = e->gone = 0;
        w->nown += e->own.words != NULL;
        w->nlossy += e->own.words || e->policy == DF_DROP_OLDEST;
        if (w->head == 0 && e->own.words) df_output_open(e->own.words);
    }
    if (w->head == 0) df_output_open(ring.words);
    w->closed = w->head > 0 && DF_LOAD(&ring.words->end, relaxed) != DF_OPEN; // pairs with nothing: the writer's own word
    w->alone = local && nends == 1 && ends[0].policy == DF_WAIT;
    w->eager = local || w->nown || ring.stride >= DF_LARGE;
    df_recover(w);
    w->head_entry = df_entry(&w->ring, w->head);
    w->reclaimed_entry = df_entry(&w->ring, w->reclaimed);
    return 0;
}

/* Whether every DF_WAIT reader that is still there can take one more: head - tail < depth. */
static inline int df_has_room(df_writer *w) {
    if (w->head < w->room_until) return 1;
    df_read_tails(w);
    return w->head < w->room_until;
}

/* The first DF_WAIT reader without room, -1: there is room. */
static inline int df_full_end(df_writer *w) {
    if (df_has_room(w)) return -1;
    for (uint32_t i = 0; i < w->nends; i++) {
        df_end *e = &w->ends[i];
        if (e->policy == DF_WAIT && !e->gone && e->tail + e->depth <= w->head) return (int)i;
    }
    return -1;
}

/* The header of a free slot, its record at + 64; the same one until it is published or given back. Most recently freed first,
 * because its bytes are in the cache. NULL: none, which cannot be while there is room. */
static inline char *df_loan(df_writer *w) {
    if (w->loaned < 0) {
        // the entry that the next publication overwrites must have been given back first
        if (w->eager || !w->nfree || w->head + 1 - w->reclaimed > w->ring.entries)
            if (!w->alone || !df_refresh_alone(w)) df_refresh(w);
        if (!w->nfree) return NULL;
        w->loaned = (int32_t)w->free[--w->nfree];
    }
    return df_slot(&w->ring, (uint32_t)w->loaned);
}

static inline void df_unloan(df_writer *w) {
    if (w->loaned < 0) return;
    w->free[w->nfree++] = (uint32_t)w->loaned;
    w->loaned = -1;
}

static inline uint32_t df_free_slot(const df_writer *w, uint32_t i) { return w->free[i]; } /* for i < nfree */

/* The slot that an index shows as its newest, -1: none, or an index that forgets it once it was read. `end`: the index of that
 * end, `nends`: of the output. */
static inline int64_t df_newest_slot(const df_writer *w, uint32_t end) {
    const df_end *e = &w->ends[end];
    if (end == w->nends) {
        if (!w->head) return -1;
        return DF_LOAD(&w->ring.index[w->head_entry], relaxed); // pairs with nothing: the writer's own word
    }
    if (!e->own.words || e->policy != DF_LATEST || !e->own_head) return -1;
    return DF_LOAD(&e->own.index[df_entry(&e->own, e->own_head)], relaxed); // pairs with nothing: the writer's own word
}

/* Whether the reader has passed what its index shows as the newest, or is gone. */
static inline int df_tail_at_head(df_writer *w, df_end *e) {
    if (e->gone || (e->gone = (uint8_t)df_gone_word(e->words))) return 1;
    // pairs with df_finish, df_take_newest, df_take_oldest, df_put_back: leases are read after
    return df_tail_word(e->words) >= (e->own.words ? e->own_head : w->head);
}

/* How many indices show `slot` as their newest, with nobody left who would read it there. */
static inline uint32_t df_passed_by(df_writer *w, uint32_t slot) {
    uint32_t passed = 0, newest = df_newest_slot(w, w->nends) == slot;
    for (uint32_t i = 0; i < w->nends; i++) {
        if (!w->ends[i].own.words && newest) newest = (uint32_t)df_tail_at_head(w, &w->ends[i]);
        if (df_newest_slot(w, i) == slot) passed += (uint32_t)df_tail_at_head(w, &w->ends[i]);
    }
    return passed + newest;
}

/* Whether every reader has passed `slot`, which is the newest of an index, and nobody leases it: what it refers to will not be looked at
 * again, although the slot stays shown. Tails are read before the leases (RULES 4), and again after them, because who puts a
 * record back moves the tail before it clears the lease. */
static inline int df_newest_passed(df_writer *w, uint32_t slot) {
    uint32_t shown = w->nown ? w->refs[slot] : 1;
    if (df_passed_by(w, slot) != shown) return 0;
    uint32_t nleased = df_read_leases(w);
    for (uint32_t i = 0; i < nleased; i++)
        if (w->leased[i] == slot) return 0;
    return df_passed_by(w, slot) == shown;
}

/* Publish the loan. Only with room. The caller fills the header but for seq and cdr before, and rings the readers after. */
static inline void df_publish(df_writer *w) {
    assert(w->loaned >= 0 && !w->closed && w->head + 1 - w->reclaimed <= w->ring.entries);
    uint32_t slot = (uint32_t)w->loaned;
    df_slot_header *header = (df_slot_header *)df_slot(&w->ring, slot);
    header->seq = ++w->head;
    header->cdr[0] = 0, header->cdr[1] = 1, header->cdr[2] = 0, header->cdr[3] = 0;
    w->loaned = -1;
    if (w->nown) w->refs[slot] = 1;
    w->head_entry = df_next_entry(&w->ring, w->head_entry);
    if (w->local) {
        DF_STORE(&w->ring.index[w->head_entry], slot, relaxed); // same thread
        DF_STORE(&w->ring.words->head, w->head, relaxed);       // same thread
    } else {
        // pairs with df_take_newest, df_take_oldest: who reads this entry by an old head or tail also sees that it is old
        DF_STORE(&w->ring.index[w->head_entry], slot, release);
        // pairs with df_waiting, df_take_newest: record and entry stay before, the next look at the leases stays after
        DF_STORE(&w->ring.words->head, w->head, seq_cst);
    }
    if (!w->nlossy) return;
    for (uint32_t i = 0; i < w->nends; i++) {
        df_end *e = &w->ends[i];
        if (e->own.words && header->kind == DF_RECORD) df_offer(w, e, slot);
        if (e->policy == DF_DROP_OLDEST) df_drop_oldest(w, e);
    }
}

/* End of stream behind the last record. The caller rings the readers. */
static inline void df_close(df_writer *w) {
    if (w->closed) return;
    w->closed = 1;
    for (uint32_t i = 0; i < w->nends; i++) {
        df_end *e = &w->ends[i];
        if (!e->own.words) continue;
        DF_STORE(&e->own.words->end, e->own_head, seq_cst); // pairs with df_end_word: head stays before
    }
    DF_STORE(&w->ring.words->end, w->head, seq_cst); // pairs with df_end_word: head stays before
}

/* Whether there was a reader and none is left (RULES 21). */
static inline int df_all_gone(df_writer *w) {
    for (uint32_t i = 0; i < w->nends; i++)
        if (!w->ends[i].gone && !(w->ends[i].gone = (uint8_t)df_gone_word(w->ends[i].words))) return 0;
    return w->nends > 0;
}

/* Ask for room: then look at df_has_room once more before sleeping (RULES 1). */
static inline void df_want(df_writer *w) {
    DF_STORE(&w->want->want, 1, relaxed);
    if (!w->local) atomic_thread_fence(memory_order_seq_cst); // pairs with df_answer: the look at the tails stays after want = 1
}

/* Holders of a block ------------------------------------------------------------------------------------------------------- */

/* How many hold a block of an arena (`_arena.h`). Set by the allocating side; raised and lowered by whoever holds one. */
typedef _Atomic uint32_t df_holders;

/* The block is handed out. What tells others of it (a pipe, a lock, a published record) is the release that they acquire. */
static inline void df_first_holder(df_holders *holders) {
    DF_STORE(holders, 1, relaxed); // pairs with df_held: the allocating side's own store, until it tells somebody
}

/* One more holder, beside the caller. 0: nobody holds it, so the caller had no right to it. */
static inline int df_hold(df_holders *holders) {
    uint32_t count = DF_LOAD(holders, relaxed); // pairs with nothing: the exchange below decides
    while (count)
        if (atomic_compare_exchange_weak_explicit(holders, &count, count + 1, memory_order_relaxed, memory_order_relaxed))
            return 1; // pairs with df_held: the caller's own hold keeps the block meanwhile
    return 0;
}

/* One holder fewer. 0: nobody held it. */
static inline int df_give_back(df_holders *holders) {
    uint32_t count = DF_LOAD(holders, relaxed); // pairs with nothing: the exchange below decides
    while (count)
        // pairs with df_held: every look at the bytes, of this holder and of those before it, stays before
        if (atomic_compare_exchange_weak_explicit(holders, &count, count - 1, memory_order_acq_rel, memory_order_relaxed)) return 1;
    return 0;
}

static inline uint32_t df_held(df_holders *holders) {
    return DF_LOAD(holders, acquire); // pairs with df_give_back: the bytes are not written again before
}

/* Reader ------------------------------------------------------------------------------------------------------------------- */

/* States: without a record in hand (held = -1), with one. `ring` is the edge's own index where it has one. */
typedef struct {
    df_ring ring;
    df_reader_words *words;
    df_want_words *want;
    uint64_t tail, seen; /* last record passed; last head loaded */
    int policy;
    int32_t held;
    uint8_t local;
    uint32_t entry;  /* of tail + 1 (DF_WAIT, DF_DROP_NEW): no division on the way */
    uint64_t before; /* DF_LATEST: tail before the record in hand */
} df_reader;

/* Attach a reader. Nobody else is this reader any more, so leases of a dead one end here. */
static inline void df_reader_init(df_reader *r, df_ring ring, df_reader_words *words, df_want_words *want, int policy,
                                  uint8_t local) {
    uint64_t tail = df_tail_word(words); // pairs with df_publish: where the one before stopped, or was dropped to
    *r = (df_reader){.ring = ring, .words = words, .want = want, .tail = tail, .seen = tail, .policy = policy, .held = -1};
    r->local = local;
    r->entry = df_entry(&ring, tail + 1);
    r->before = tail;
    for (int which = 0; which < DF_LEASES; which++)
        DF_STORE(&words->lease[which], 0, release); // pairs with df_read_leases: nothing of the one before is read later
}

/* After a moved tail, a cleared lease or a leave: whether the writer sleeps for it and is to be rung by the caller (RULES 1). */
DF_MUST_RING static inline int df_answer(df_want_words *want) {
    atomic_thread_fence(memory_order_seq_cst);      // pairs with df_want: tail, lease, gone stay before the look at want
    if (!DF_LOAD(&want->want, relaxed)) return 0;   // ordered by the fence above
    return atomic_exchange_explicit(&want->want, 0, memory_order_acq_rel) != 0; // pairs with df_want: one reader rings
}

/* Unread records: head - tail; of a DF_LATEST reader 1 or 0. Loads the head only if the copy says empty. */
static inline uint64_t df_waiting(df_reader *r) {
    if (r->policy == DF_DROP_OLDEST) r->tail = df_tail_word(r->words); // pairs with df_drop_oldest: head is loaded after it
    if (r->policy == DF_LATEST || r->seen <= r->tail)
        r->seen = r->local ? DF_LOAD(&r->ring.words->head, relaxed)  // same thread
                           : DF_LOAD(&r->ring.words->head, acquire); // pairs with df_publish: entry and record are read after
    if (r->policy == DF_LATEST) return r->seen > r->tail;
    return r->seen > r->tail ? r->seen - r->tail : 0;
}

/* Lease the oldest record, then take it if the writer has not: lease before tail, always (RULES 4). Ends: each failure means
 * that the writer published, and what it publishes it does not drop. */
static inline int32_t df_take_oldest(df_reader *r) {
    while (df_waiting(r)) {
        uint64_t tail = r->tail;
        if (r->local) {
            r->held = (int32_t)DF_LOAD(&r->ring.index[df_entry(&r->ring, tail + 1)], relaxed); // same thread
            DF_STORE(&r->words->lease[0], (uint32_t)r->held + 1, relaxed);                    // same thread
            DF_STORE(&r->words->tail, ++r->tail, relaxed);                                    // same thread
            return r->held;
        }
        // pairs with df_publish: an entry already overwritten brings the moved tail with it, and the exchange fails
        uint32_t slot = DF_LOAD(&r->ring.index[df_entry(&r->ring, tail + 1)], acquire);
        DF_STORE(&r->words->lease[0], slot + 1, seq_cst); // pairs with df_read_leases: stays before the tail
        // pairs with df_drop_oldest: one of the two has the record; the slot is read after it
        if (DF_SWAP(&r->words->tail, &tail, tail + 1)) {
            r->tail = tail + 1;
            return r->held = (int32_t)slot;
        }
    }
    return -1;
}

/* Lease the newest record and see that it still is the newest: then no loan has looked at the leases before this one. */
static inline int32_t df_take_newest(df_reader *r) {
    if (!df_waiting(r)) return -1;
    uint64_t head = r->seen;
    for (;;) {
        if (r->local) {
            r->held = (int32_t)DF_LOAD(&r->ring.index[df_entry(&r->ring, head)], relaxed); // same thread
            DF_STORE(&r->words->lease[0], (uint32_t)r->held + 1, relaxed);                // same thread
            break;
        }
        // pairs with df_publish: an entry already overwritten brings the newer head with it
        r->held = (int32_t)DF_LOAD(&r->ring.index[df_entry(&r->ring, head)], acquire);
        DF_STORE(&r->words->lease[0], (uint32_t)r->held + 1, seq_cst); // pairs with df_read_leases: before the second look
        uint64_t again = DF_LOAD(&r->ring.words->head, seq_cst);       // pairs with df_publish: not before the lease
        if (again == head) break;
        head = again;
    }
    r->before = r->tail;
    r->seen = r->tail = head;
    if (r->local) DF_STORE(&r->words->tail, head, relaxed); // same thread
    else DF_STORE(&r->words->tail, head, release);          // pairs with df_tail_word: the lease stays before
    return r->held;
}

/* Slot of the next record (DF_LATEST: the newest unread one), now in hand; the one in hand if there is one; -1: none. */
static inline int32_t df_take(df_reader *r) {
    if (r->held >= 0) return r->held;
    if (r->policy == DF_LATEST) return df_take_newest(r);
    if (r->policy == DF_DROP_OLDEST) return df_take_oldest(r);
    if (!df_waiting(r)) return -1;
    return r->held = (int32_t)DF_LOAD(&r->ring.index[r->entry], relaxed); // pairs with df_publish: the head was acquired
}

DF_MUST_RING static inline int df_finish(df_reader *r, int counted) {
    if (r->policy == DF_WAIT || r->policy == DF_DROP_NEW) {
        r->tail++;
        r->entry = df_next_entry(&r->ring, r->entry);
        if (r->local) DF_STORE(&r->words->tail, r->tail, relaxed); // same thread
        else DF_STORE(&r->words->tail, r->tail, release); // pairs with df_read_tails: reading and kept leases stay before
    } else if (r->local) {
        DF_STORE(&r->words->lease[0], 0, relaxed); // same thread
    } else {
        DF_STORE(&r->words->lease[0], 0, release); // pairs with df_read_leases: reading and kept leases stay before
    }
    r->held = -1;
    if (counted) {
        uint64_t taken = DF_LOAD(&r->words->taken, relaxed) + 1; // pairs with nothing: the reader's own word
        if (r->local) DF_STORE(&r->words->taken, taken, relaxed); // same thread
        else DF_STORE(&r->words->taken, taken, release);          // pairs with df_taken_word: the tail stays before
    }
    return r->local ? 0 : df_answer(r->want);
}

/* Let the record in hand go, counted as taken. 1: ring the writer. */
DF_MUST_RING static inline int df_release(df_reader *r) { return r->held < 0 ? 0 : df_finish(r, 1); }

/* Let the record in hand, or else the next one, go without counting it (decimated, tombstone, stale). 1: ring the writer. */
DF_MUST_RING static inline int df_pass(df_reader *r) { return df_take(r) < 0 ? 0 : df_finish(r, 0); }

/* Make the record in hand unread again, as if it had not been looked at. Not for DF_DROP_OLDEST, whose tail has two writers. */
static inline void df_put_back(df_reader *r) {
    assert(r->policy != DF_DROP_OLDEST);
    if (r->held < 0 || r->policy == DF_DROP_OLDEST) return;
    r->held = -1;
    if (r->policy != DF_LATEST) return;
    r->tail = r->before;
    DF_STORE(&r->words->tail, r->tail, release);  // pairs with df_tail_word: never beyond the head
    DF_STORE(&r->words->lease[0], 0, release);    // pairs with df_read_leases: the reading of the slot stays before
}

/* Whether df_keep would find a word for the record in hand: what is true stays true until this reader's next df_keep. */
static inline int df_can_keep(df_reader *r) {
    for (int which = 1; which < DF_LEASES; which++)
        if (!DF_LOAD(&r->words->lease[which], acquire)) return 1; // pairs with df_unkeep: its last look stays before
    return 0;
}

/* Lease the record in hand for a view that outlives the firing: before df_release, always (RULES 4, 7). Returns which word;
 * -1: none is free. */
static inline int df_keep(df_reader *r) {
    if (r->held < 0) return -1;
    for (int which = 1; which < DF_LEASES; which++) {
        if (DF_LOAD(&r->words->lease[which], acquire)) continue; // pairs with df_unkeep: its last look stays before
        if (r->local) DF_STORE(&r->words->lease[which], (uint32_t)r->held + 1, relaxed); // same thread
        else DF_STORE(&r->words->lease[which], (uint32_t)r->held + 1, seq_cst); // pairs with df_read_leases: before the tail
        return which;
    }
    return -1;
}

/* The kept view is gone. 1: ring the writer. */
DF_MUST_RING static inline int df_unkeep(df_reader_words *words, df_want_words *want, int which) {
    DF_STORE(&words->lease[which], 0, release); // pairs with df_read_leases: the reading of the slot stays before
    return df_answer(want);
}

/* The last seq there will be; DF_OPEN while nobody knows. */
static inline uint64_t df_end_word(df_reader *r) {
    return DF_LOAD(&r->ring.words->end, acquire); // pairs with df_close: the head read next is the last one
}

/* Whether no record will ever wait here again (one may still be in hand). */
static inline int df_ended(df_reader *r) {
    if (r->policy != DF_DROP_OLDEST && r->seen > r->tail) return 0;
    if (r->policy == DF_DROP_OLDEST) r->tail = df_tail_word(r->words); // pairs with df_drop_oldest: never beyond the end
    return r->tail == df_end_word(r);
}

/* This reader reads no more; its kept views stay valid. 1: ring the writer. */
DF_MUST_RING static inline int df_leave(df_reader *r) {
    r->held = -1;
    DF_STORE(&r->words->lease[0], 0, release); // pairs with df_read_leases: the reading of the slot stays before
    DF_STORE(&r->words->gone, 1, release);     // pairs with df_gone_word: the reading of the slot stays before
    return r->local ? 0 : df_answer(r->want);
}

/* Replicas ----------------------------------------------------------------------------------------------------------------- */

/* The set that an instance works on; `least` before it has said so. */
static inline uint64_t df_turn_word(df_turn_words *words, uint64_t least) {
    uint64_t next = DF_LOAD(&words->next, acquire); // pairs with df_set_turn: what it published of its sets is there
    return next < least ? least : next;
}
static inline void df_set_turn(df_turn_words *words, uint64_t next) {
    DF_STORE(&words->next, next, release); // pairs with df_turn_word: its publications stay before
}
static inline uint64_t df_stop_word(df_turn_words *words) {
    return DF_LOAD(&words->stop, acquire); // pairs with df_set_stop: nothing else
}
static inline void df_set_stop(df_turn_words *words, uint64_t stop) {
    DF_STORE(&words->stop, stop, release); // pairs with df_stop_word: nothing else
}

/* The set to be taken next by any instance. A reader whose tail is not beyond it keeps its records from being overwritten. */
static inline uint64_t df_claim_word(df_turn_words *first) {
    return DF_LOAD(&first->claim, acquire); // pairs with df_claim: nothing else
}
static inline int df_claim(df_turn_words *first, uint64_t set) {
    return DF_SWAP(&first->claim, &set, set + 1); // pairs with df_claim: one instance has the set
}

/* Ask the siblings to ring: then look at their words once more before sleeping. */
static inline void df_ask_turn(df_turn_words *words) {
    DF_STORE(&words->want, 1, relaxed);
    atomic_thread_fence(memory_order_seq_cst); // pairs with df_answer_turn: the look at the words stays after want = 1
}
/* After a moved turn: whether this sibling sleeps for it and is to be rung by the caller. */
DF_MUST_RING static inline int df_answer_turn(df_turn_words *words) {
    atomic_thread_fence(memory_order_seq_cst);     // pairs with df_ask_turn: the moved turn stays before the look at want
    if (!DF_LOAD(&words->want, relaxed)) return 0; // ordered by the fence above
    return atomic_exchange_explicit(&words->want, 0, memory_order_acq_rel) != 0; // pairs with df_ask_turn: one rings
}

#endif
