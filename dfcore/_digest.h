/* The rolling digest: 64 bits over the bytes of a record, to compare two runs at one glance.
 *
 * Laws: every bit of the input and of the digest so far reaches every bit of the result; the number and the order of records
 * count, those of zeros too; the value is the same in every process on every little-endian machine. It is no defence against
 * somebody who looks for collisions. Knows nothing of dtypes: who calls it leaves the padding out.
 *
 * Source: the folded 64 x 64 -> 128 bit product of wyhash (Wang Yi, public domain).
 */
#ifndef DF_DIGEST_H
#define DF_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DF_K0 UINT64_C(0xA0761D6478BD642F)
#define DF_K1 UINT64_C(0xE7037ED1A0B428DB)
#define DF_K2 UINT64_C(0x8EBC6AF09C88C6E3)
#define DF_K3 UINT64_C(0x589965CC75374CC3)
#define DF_STEP UINT64_C(0x9E3779B97F4A7C15) /* added each time, so that zeros over zero do not stay zero */
#define DF_WIDE 256                          /* bytes from which four independent lanes pay */

static inline uint64_t df_mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t df_word(const char *data) {
    uint64_t word;
    memcpy(&word, data, 8);
    return word;
}

static inline uint64_t df_digest_wide(const char *data, size_t size, uint64_t h) {
    uint64_t a = h + DF_K0, b = h + DF_K1, c = h + DF_K2, d = h + DF_K3;
    for (const char *end = data + size; data < end; data += 64) {
        a = df_mix(df_word(data) ^ DF_K0, df_word(data + 8) ^ (a + DF_STEP));
        b = df_mix(df_word(data + 16) ^ DF_K1, df_word(data + 24) ^ (b + DF_STEP));
        c = df_mix(df_word(data + 32) ^ DF_K2, df_word(data + 40) ^ (c + DF_STEP));
        d = df_mix(df_word(data + 48) ^ DF_K3, df_word(data + 56) ^ (d + DF_STEP));
    }
    return df_mix(a ^ DF_K0, b + DF_STEP) ^ df_mix(c ^ DF_K1, d + DF_STEP);
}

static inline uint64_t df_digest_tail(const char *data, size_t size, uint64_t h) {
    uint64_t low = 0, high = 0;
    memcpy(&low, data, size < 8 ? size : 8);
    if (size > 8)
        memcpy(&high, data + 8, size - 8);
    return df_mix(low ^ DF_K3, high ^ (h + DF_STEP));
}

/* The digest `h` rolled over `size` bytes at `data`. */
static inline uint64_t df_digest(const char *data, size_t size, uint64_t h) {
    if (size >= DF_WIDE) {
        size_t wide = size & ~(size_t)63;
        h = df_digest_wide(data, wide, h);
        data += wide;
        size -= wide;
    }
    for (; size >= 32; data += 32, size -= 32) {
        h += DF_STEP;
        h = df_mix(df_word(data) ^ DF_K0, df_word(data + 8) ^ h) ^ df_mix(df_word(data + 16) ^ DF_K1, df_word(data + 24) ^ h);
    }
    if (size >= 16) {
        h = df_mix(df_word(data) ^ DF_K2, df_word(data + 8) ^ (h + DF_STEP));
        data += 16;
        size -= 16;
    }
    return size ? df_digest_tail(data, size, h) : h;
}

#endif
