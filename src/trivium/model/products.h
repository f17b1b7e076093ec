/* Products of small matrices with sums in float32, and what prepares them, by AVX-512: of bfloat16, or where FLOAT32 is defined of
   float32.

   "Paired" is (., columns) of 32 bits: as many numbers as fit (PAIR) that follow each other along the axis that a product sums
   over, as the processor's instruction wants its right factor. */
#pragma once
#include "native.h"
#include <immintrin.h>

INLINE __mmask16 first_of(int64_t count) { return count >= 16 ? 0xffff : (__mmask16)((1u << count) - 1); }

#ifdef FLOAT32
#if !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "these products need AVX-512"
#endif
#define PAIR 1

typedef float pair;

INLINE __m512 load_wide(__mmask16 which, const number *from) { return _mm512_maskz_loadu_ps(which, from); }

INLINE void store_some(number *to, __mmask16 which, __m512 values) { _mm512_mask_storeu_ps(to, which, values); }

INLINE void store_narrow(number *to, __m512 values) { _mm512_storeu_ps(to, values); }

INLINE __m512 load_pairs(const pair *from) { return _mm512_loadu_ps(from); }

INLINE __m512 spread_pair(const number *from) { return _mm512_set1_ps(*from); }

INLINE __m512 add_product(__m512 sum, __m512 left, __m512 right) { return _mm512_fmadd_ps(left, right, sum); }

INLINE pair paired(const number *from, int64_t step) { return *from; }
#else
#ifndef __AVX512BF16__
#error "these products need AVX-512 with bfloat16"
#endif
#define PAIR 2

typedef uint32_t pair;

INLINE __m512 load_wide(__mmask16 which, const number *from) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(which, from)), 16));
}

INLINE void store_some(number *to, __mmask16 which, __m512 values) {
    _mm256_mask_storeu_epi16(to, which, (__m256i)_mm512_cvtneps_pbh(values));
}

INLINE void store_narrow(number *to, __m512 values) { _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(values)); }

INLINE __m512bh load_pairs(const pair *from) { return (__m512bh)_mm512_loadu_si512(from); }

INLINE __m512bh spread_pair(const number *from) {
    int two;
    memcpy(&two, from, 4);
    return (__m512bh)_mm512_set1_epi32(two);
}

INLINE __m512 add_product(__m512 sum, __m512bh left, __m512bh right) { return _mm512_dpbf16_ps(sum, left, right); }

INLINE pair paired(const number *from, int64_t step) { return from[0] | (pair)from[step] << 16; }
#endif

/* e^x to 2e-7, 0 below -150; what is not a number stays so. */
INLINE __m512 exponentials(__m512 x) {
    x = _mm512_max_ps(_mm512_set1_ps(-150.0f), x);
    __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
    __m512 rest = _mm512_fnmadd_ps(whole, _mm512_set1_ps(0.693359375f), x);
    rest = _mm512_fnmadd_ps(whole, _mm512_set1_ps(-2.12194440e-4f), rest);
    __m512 sum = _mm512_set1_ps(1.0f / 720);
    const float factors[6] = {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
    for (int n = 0; n < 6; n++) sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(factors[n]));
    return _mm512_scalef_ps(sum, whole);
}

/* A tile of c = a b, or c += a b: `rows` of a (`a_step` to a row) and 16 `vectors` columns of b (paired). */
INLINE void tile(const int rows, const int vectors, const number *a, int64_t a_step, const pair *b, int64_t b_step,
                 int64_t pairs, float *c, int64_t c_step, int add) {
    __m512 sums[16][4]; /* of which what is used becomes registers */
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sums[r][v] = add ? _mm512_loadu_ps(c + r * c_step + 16 * v) : _mm512_setzero_ps();
    for (int64_t p = 0; p < pairs; p++) {
        __typeof__(load_pairs(b)) right[4];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) right[v] = load_pairs(b + p * b_step + 16 * v);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const __typeof__(load_pairs(b)) left = spread_pair(a + r * a_step + PAIR * p);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) sums[r][v] = add_product(sums[r][v], left, right[v]);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) _mm512_storeu_ps(c + r * c_step + 16 * v, sums[r][v]);
}

/* c (rows, columns) = a b, or += : rows a multiple of 16, columns of 16. */
static void multiply(const number *a, int64_t a_step, const pair *b, int64_t b_step, int64_t pairs, float *c, int64_t c_step,
                     int64_t rows, int64_t columns, int add) {
    int64_t column = 0;
    for (; column + 64 <= columns; column += 64)
        for (int64_t row = 0; row < rows; row += 4)
            tile(4, 4, a + row * a_step, a_step, b + column, b_step, pairs, c + row * c_step + column, c_step, add);
    for (; column + 32 <= columns; column += 32)
        for (int64_t row = 0; row < rows; row += 8)
            tile(8, 2, a + row * a_step, a_step, b + column, b_step, pairs, c + row * c_step + column, c_step, add);
    for (; column < columns; column += 16)
        for (int64_t row = 0; row < rows; row += 16)
            tile(16, 1, a + row * a_step, a_step, b + column, b_step, pairs, c + row * c_step + column, c_step, add);
}

/* (rows, columns) to (columns, rows), of 32 bits or of one number each. */
static void transpose(const pair *from, int64_t rows, int64_t columns, pair *to) {
    for (int64_t c = 0; c < columns; c++)
        for (int64_t r = 0; r < rows; r++) to[c * rows + r] = from[r * columns + c];
}

static void transpose_numbers(const number *from, int64_t rows, int64_t columns, number *to) {
    for (int64_t c = 0; c < columns; c++)
        for (int64_t r = 0; r < rows; r++) to[c * rows + r] = from[r * columns + c];
}

/* (rows, columns), `step` to a row, to pairs of rows (rows/PAIR, columns), as far apart. */
static void pair_rows(const number *from, int64_t rows, int64_t columns, int64_t step, pair *to) {
    for (int64_t r = 0; r < rows; r += PAIR)
        for (int64_t c = 0; c < columns; c++) to[r / PAIR * step + c] = paired(from + r * step + c, step);
}
