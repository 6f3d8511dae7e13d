"""The C API of the ring. Fields that are atomic in C are not named here: only `_ring.h` touches them."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "_ring.h" nogil:
    enum:
        DF_WAIT
        DF_DROP_NEW
        DF_DROP_OLDEST
        DF_LATEST
        DF_LEASES
        DF_RECORD
        DF_TOMBSTONE
        DF_CLOSING
    const uint64_t DF_OPEN

    ctypedef struct df_output_words:
        pass

    ctypedef struct df_reader_words:
        pass

    ctypedef struct df_want_words:
        pass

    ctypedef struct df_turn_words:
        pass

    ctypedef struct df_index_word:
        pass

    ctypedef struct df_slot_header:
        uint64_t seq
        int64_t publish_ns
        int64_t origin_ns
        uint64_t firing
        uint8_t kind
        uint8_t last
        uint8_t carries
        uint32_t child
        uint64_t parent
        uint32_t mark

    ctypedef struct df_ring:
        df_output_words *words
        df_index_word *index
        uint32_t entries
        uint32_t nslots
        char *slots
        uint64_t stride

    ctypedef struct df_end:
        df_reader_words *words
        uint64_t depth
        uint64_t tail
        int policy
        df_ring own
        uint64_t own_head
        uint64_t own_reclaimed
        uint64_t dropped
        uint8_t gone

    ctypedef struct df_writer:
        df_ring ring
        uint64_t head
        uint64_t reclaimed
        uint64_t room_until
        df_end *ends
        uint32_t nends
        uint32_t nfree
        uint32_t naside
        uint16_t *refs
        int32_t loaned
        uint8_t local
        uint8_t closed
        df_want_words *want
        df_reader_words *spare
        uint8_t eager

    ctypedef struct df_reader:
        df_ring ring
        df_reader_words *words
        df_want_words *want
        uint64_t tail
        uint64_t seen
        int policy
        int32_t held
        uint8_t local

    char *df_slot(const df_ring *ring, uint32_t slot)
    void df_output_open(df_output_words *words)
    uint64_t df_head_word(df_output_words *words)
    uint64_t df_tail_word(df_reader_words *words)
    uint64_t df_taken_word(df_reader_words *words)
    uint32_t df_gone_word(df_reader_words *words)
    uint32_t df_lease_word(df_reader_words *words, int which)

    uint64_t df_slots_needed(const df_end *ends, uint32_t nends, int spare)
    int df_writer_init(df_writer *writer, df_ring ring, df_end *ends, uint32_t nends, df_want_words *want, uint8_t local)
    void df_writer_free(df_writer *writer)
    int df_has_room(df_writer *writer)
    int df_full_end(df_writer *writer)
    char *df_loan(df_writer *writer)
    void df_unloan(df_writer *writer)
    void df_refresh(df_writer *writer)
    uint32_t df_free_slot(const df_writer *writer, uint32_t i)
    int64_t df_newest_slot(const df_writer *writer, uint32_t end)
    int df_newest_passed(df_writer *writer, uint32_t slot)
    void df_publish(df_writer *writer)
    void df_close(df_writer *writer)
    int df_all_gone(df_writer *writer)
    void df_want(df_writer *writer)

    void df_reader_init(df_reader *reader, df_ring ring, df_reader_words *words, df_want_words *want, int policy, uint8_t local)
    uint64_t df_waiting(df_reader *reader)
    int32_t df_take(df_reader *reader)
    int df_release(df_reader *reader)
    int df_pass(df_reader *reader)
    void df_put_back(df_reader *reader)
    int df_can_keep(df_reader *reader)
    int df_keep(df_reader *reader)
    int df_unkeep(df_reader_words *words, df_want_words *want, int which)
    uint64_t df_end_word(df_reader *reader)
    int df_ended(df_reader *reader)
    int df_leave(df_reader *reader)

    uint64_t df_turn_word(df_turn_words *words, uint64_t least)
    void df_set_turn(df_turn_words *words, uint64_t next)
    uint64_t df_stop_word(df_turn_words *words)
    void df_set_stop(df_turn_words *words, uint64_t stop)
    uint64_t df_claim_word(df_turn_words *first)
    int df_claim(df_turn_words *first, uint64_t set)
    void df_ask_turn(df_turn_words *words)
    int df_answer_turn(df_turn_words *words)
