/* Self-attention for training, from the product that gives queries, keys and values to what the next product reads, and back;
   see attend_kernel.py. Products are of bfloat16 (of float32 where FLOAT32 is defined) with sums in float32, all else is in float32.

   A head is computed in blocks of keys or queries that stay in a core's own cache, and its probabilities are computed again on
   the way back (Dao et al. 2022, algorithms 1 and 4). A head and its sums belong to one thread, so results do not depend on
   the number of threads.

   Legend: B rows, T tokens, H query heads, K key and value heads, E head size, N = H + 2K; P is T filled up to a multiple
   of WIDE with zeros; "paired" as in products.h. */
#include "native.h"
#include "products.h"

#define WIDE 64 /* columns of a product's tile */
#define DEEP 32 /* rows of a block: queries forwards, keys backwards */

typedef struct {
    int64_t B, T, H, K, E, causal, threads;
    int64_t mask_row, mask_query;   /* bytes from one row's, or query's, mask to the next; 0 where they share it */
    int64_t turn_row;               /* numbers from one row's cosines to the next */
    int64_t N, P;                   /* from here on set by `complete` */
} Sizes;

typedef struct {
    const number *product;                     /* (B, T, N, E) */
    const float *query_weight, *key_weight;  /* (E) of the heads' norms, or null */
    const float *cosine, *sine;              /* (B or 1, T, E/2), or null */
    const uint8_t *mask;                     /* (B or 1, T or 1, T), 1 where a query sees a key, or null */
    number *mixed;                             /* (B, T, H, E) */
    float *mass;                             /* (B, H, T), the logarithm of the sum of the exponentials of scores */
    const number *gradient;                    /* of mixed */
    number *for_product;                       /* (B, T, N, E) */
    float *for_weights;                      /* (B, K, 2, E), each task's share for query_weight and key_weight */
    float epsilon;
} Tensors;

static Sizes complete(const int64_t *given) {
    Sizes s;
    memcpy(&s, given, 10 * sizeof(int64_t));
    s.N = s.H + 2 * s.K;
    s.P = (s.T + WIDE - 1) / WIDE * WIDE;
    return s;
}

/* Rows of one head, `step` apart, to (P, E), the rows after T zero. */
static void copy_rows(const number *from, int64_t step, const Sizes *s, number *to) {
    for (int64_t t = 0; t < s->T; t++) memcpy(to + t * s->E, from + t * step, s->E * sizeof(number));
    memset(to + s->T * s->E, 0, (s->P - s->T) * s->E * sizeof(number));
}

INLINE float inverse_rms(const number *head, int64_t E, float epsilon) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t e = 0; e < E; e += 16) {
        const __m512 part = load_wide(0xffff, head + e);
        sum = _mm512_fmadd_ps(part, part, sum);
    }
    return 1.0f / sqrtf(_mm512_reduce_add_ps(sum) / E + epsilon);
}

/* The cosines and sines of 16 coordinates of token t, no turn at all where there are none. */
INLINE void turn_of(const Tensors *x, int64_t place, __mmask16 which, __m512 *cosine, __m512 *sine) {
    *cosine = x->cosine ? _mm512_maskz_loadu_ps(which, x->cosine + place) : _mm512_set1_ps(1.0f);
    *sine = x->sine ? _mm512_maskz_loadu_ps(which, x->sine + place) : _mm512_setzero_ps();
}

/* The rows of `copy_rows` for queries or keys, over their norm and rotated: halves of E are the two coordinates. */
static void turned_rows(const number *from, const float *weight, const Tensors *x, int64_t row, const Sizes *s, number *to) {
    const int64_t E = s->E, E2 = E / 2, step = s->N * E;
    if (!weight && !x->cosine) {
        copy_rows(from, step, s, to);
        return;
    }
    for (int64_t t = 0; t < s->T; t++, from += step, to += E) {
        const __m512 inverse = _mm512_set1_ps(weight ? inverse_rms(from, E, x->epsilon) : 1.0f);
        for (int64_t e = 0; e < E2; e += 16) {
            const __mmask16 which = first_of(E2 - e);
            __m512 first = load_wide(which, from + e), second = load_wide(which, from + E2 + e), cosine, sine;
            if (weight) {
                first = _mm512_mul_ps(_mm512_mul_ps(first, inverse), _mm512_maskz_loadu_ps(which, weight + e));
                second = _mm512_mul_ps(_mm512_mul_ps(second, inverse), _mm512_maskz_loadu_ps(which, weight + E2 + e));
            }
            turn_of(x, row * s->turn_row + t * E2 + e, which, &cosine, &sine);
            store_some(to + e, which, _mm512_fmsub_ps(first, cosine, _mm512_mul_ps(second, sine)));
            store_some(to + E2 + e, which, _mm512_fmadd_ps(second, cosine, _mm512_mul_ps(first, sine)));
        }
    }
    memset(to, 0, (s->P - s->T) * E * sizeof(number));
}

/* Back through `turned_rows`: `g` is the gradient of one turned head (E), of token t; it is used up. */
static void turn_back(float *g, const number *from, const float *weight, const Tensors *x, int64_t row, int64_t t,
                      const Sizes *s, number *to, float *for_weight) {
    const int64_t E = s->E, E2 = E / 2;
    if (x->cosine)
        for (int64_t e = 0; e < E2; e += 16) { /* a rotation's transpose turns back */
            const __mmask16 which = first_of(E2 - e);
            const __m512 first = _mm512_maskz_loadu_ps(which, g + e), second = _mm512_maskz_loadu_ps(which, g + E2 + e);
            __m512 cosine, sine;
            turn_of(x, row * s->turn_row + t * E2 + e, which, &cosine, &sine);
            _mm512_mask_storeu_ps(g + e, which, _mm512_fmadd_ps(first, cosine, _mm512_mul_ps(second, sine)));
            _mm512_mask_storeu_ps(g + E2 + e, which, _mm512_fmsub_ps(second, cosine, _mm512_mul_ps(first, sine)));
        }
    __m512 inverse = _mm512_set1_ps(1.0f), share = _mm512_setzero_ps();
    if (weight) {
        const float number = inverse_rms(from, E, x->epsilon);
        inverse = _mm512_set1_ps(number);
        for (int64_t e = 0; e < E; e += 16) {
            const __m512 head = load_wide(0xffff, from + e), arrived = _mm512_loadu_ps(g + e);
            const __m512 along = _mm512_mul_ps(arrived, head), scale = _mm512_loadu_ps(weight + e);
            _mm512_storeu_ps(for_weight + e, _mm512_fmadd_ps(along, inverse, _mm512_loadu_ps(for_weight + e)));
            share = _mm512_fmadd_ps(along, scale, share);
            _mm512_storeu_ps(g + e, _mm512_mul_ps(arrived, scale));
        }
        share = _mm512_set1_ps(number * number * number * _mm512_reduce_add_ps(share) / E);
    }
    for (int64_t e = 0; e < E; e += 16) {
        const __m512 along = _mm512_mul_ps(load_wide(0xffff, from + e), share);
        store_narrow(to + e, _mm512_fmsub_ps(_mm512_loadu_ps(g + e), inverse, along));
    }
}

/* Gives out parts of one block of memory; with a null base it only counts. */
static void *take(char *base, int64_t *at, int64_t bytes) {
    void *part = base ? base + *at : 0;
    *at += (bytes + 63) / 64 * 64;
    return part;
}

typedef struct {
    number *rows, *probabilities;
    pair *keys, *values;
    float *scores, *sums;
} Forward;

static int64_t forward_parts(const Sizes *s, char *base, Forward *f) {
    int64_t at = 0;
    const int64_t one = sizeof(number) * s->P * s->E;
    f->rows = take(base, &at, one);
    f->keys = take(base, &at, one);
    f->values = take(base, &at, one);
    f->scores = take(base, &at, 4 * DEEP * s->P);
    f->probabilities = take(base, &at, sizeof(number) * DEEP * s->P);
    f->sums = take(base, &at, 4 * DEEP * s->E);
    return at;
}

/* Scores of one query to probabilities over their sum, which is returned; `limit` keys are seen of `width`, by `mask` where
   there is one. The logarithm of the sum of exponentials goes to `mass`. */
static float soften(float *scores, number *probabilities, const uint8_t *mask, int64_t limit, int64_t width, float scale,
                    float *mass) {
    const __m512 hidden = _mm512_set1_ps(-INFINITY);
    __m512 most = hidden, sum = _mm512_setzero_ps();
    for (int64_t k = 0; k < width; k += 16) {
        const int64_t left = limit - k;
        __mmask16 seen = left >= 16 ? 0xffff : left <= 0 ? 0 : (__mmask16)((1u << left) - 1);
        if (mask) {
            const __m128i bytes = _mm_maskz_loadu_epi8(seen, mask + k);
            seen &= _mm_test_epi8_mask(bytes, bytes);
        }
        const __m512 one = _mm512_mask_mul_ps(hidden, seen, _mm512_loadu_ps(scores + k), _mm512_set1_ps(scale));
        _mm512_storeu_ps(scores + k, one);
        most = _mm512_max_ps(most, one);
    }
    const float top = _mm512_reduce_max_ps(most);
    for (int64_t k = 0; k < width; k += 16) {
        const __m512 one = exponentials(_mm512_sub_ps(_mm512_loadu_ps(scores + k), _mm512_set1_ps(top)));
        sum = _mm512_add_ps(sum, one);
        store_narrow(probabilities + k, one);
    }
    const float total = _mm512_reduce_add_ps(sum);
    *mass = top + logf(total);
    return total;
}

static void attend_task(const Sizes *s, const Tensors *x, int64_t b, int64_t k, char *base) {
    const int64_t T = s->T, P = s->P, E = s->E, groups = s->H / s->K;
    Forward f;
    forward_parts(s, base, &f);
    const number *row = x->product + b * T * s->N * E;
    turned_rows(row + (s->H + k) * E, x->key_weight, x, b, s, f.rows);
    transpose((const pair *)f.rows, P, E / PAIR, f.keys);
    copy_rows(row + (s->H + s->K + k) * E, s->N * E, s, f.rows);
    pair_rows(f.rows, P, E, E, f.values);
    for (int64_t h = k * groups; h < (k + 1) * groups; h++) {
        turned_rows(row + h * E, x->query_weight, x, b, s, f.rows);
        for (int64_t start = 0; start < T; start += DEEP) {
            const int64_t some = T - start < DEEP ? T - start : DEEP;
            const int64_t seen = s->causal ? start + some : T, width = (seen + 31) / 32 * 32;
            float totals[DEEP];
            multiply(f.rows + start * E, E, f.keys, P, E / PAIR, f.scores, P, DEEP, width, 0);
            for (int64_t q = 0; q < some; q++) {
                const int64_t t = start + q;
                const uint8_t *mask = x->mask ? x->mask + b * s->mask_row + t * s->mask_query : 0;
                totals[q] = soften(f.scores + q * P, f.probabilities + q * P, mask, s->causal ? t + 1 : T, width,
                                   1.0f / sqrtf((float)E), x->mass + (b * s->H + h) * T + t);
            }
            for (int64_t q = some; q < DEEP; q++) memset(f.probabilities + q * P, 0, width * sizeof(number));
            multiply(f.probabilities, P, f.values, E, width / PAIR, f.sums, E, DEEP, E, 0);
            for (int64_t q = 0; q < some; q++) {
                number *own = x->mixed + ((b * T + start + q) * s->H + h) * E;
                const __m512 over = _mm512_set1_ps(1.0f / totals[q]);
                for (int64_t e = 0; e < E; e += 16)
                    store_narrow(own + e, _mm512_mul_ps(_mm512_loadu_ps(f.sums + q * E + e), over));
            }
        }
    }
}

typedef struct {
    number *rows, *keys, *keys_across, *values, *probabilities, *slopes;
    pair *queries_across, *queries, *gradient_across, *gradient, *slope_pairs;
    float *scores, *through, *for_keys, *for_values, *for_queries, *mass, *shared;
} Backward;

static int64_t backward_parts(const Sizes *s, char *base, Backward *w) {
    int64_t at = 0;
    const int64_t one = sizeof(number) * s->P * s->E, block = sizeof(number) * DEEP * s->P;
    w->rows = take(base, &at, one);
    w->keys = take(base, &at, one);
    w->keys_across = take(base, &at, one);
    w->values = take(base, &at, one);
    w->queries_across = take(base, &at, one);
    w->queries = take(base, &at, one);
    w->gradient_across = take(base, &at, one);
    w->gradient = take(base, &at, one);
    w->probabilities = take(base, &at, block);
    w->slopes = take(base, &at, block);
    w->slope_pairs = take(base, &at, block);
    w->scores = take(base, &at, 4 * DEEP * s->P);
    w->through = take(base, &at, 4 * DEEP * s->P);
    w->for_keys = take(base, &at, 4 * s->P * s->E);
    w->for_values = take(base, &at, 4 * s->P * s->E);
    w->for_queries = take(base, &at, 4 * s->P * s->E);
    w->mass = take(base, &at, 4 * s->P);
    w->shared = take(base, &at, 4 * s->P);
    return at;
}

/* Of a block of keys from `start` on, all queries from `first` on: scores and gradients of probabilities, (DEEP, width), to
   probabilities and gradients of scores. */
static void slopes(const Sizes *s, const Tensors *x, const Backward *w, int64_t b, int64_t start, int64_t first,
                   int64_t width) {
    const __m512 scale = _mm512_set1_ps(1.0f / sqrtf((float)s->E));
    const __m512i places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int64_t k = 0; k < DEEP; k++) {
        const int64_t key = start + k;
        number *probabilities = w->probabilities + k * s->P, *slopes = w->slopes + k * s->P;
        const float *scores = w->scores + k * s->P, *through = w->through + k * s->P;
        if (key >= s->T) {
            memset(probabilities, 0, width * sizeof(number));
            memset(slopes, 0, width * sizeof(number));
            continue;
        }
        for (int64_t q = 0; q < width; q += 16) {
            const int64_t query = first + q;
            __mmask16 seen = 0xffff;
            if (s->causal)
                seen = _mm512_cmpge_epi32_mask(_mm512_add_epi32(places, _mm512_set1_epi32((int)query)),
                                               _mm512_set1_epi32((int)key));
            if (x->mask)
                for (int n = 0; n < 16 && query + n < s->T; n++)
                    if (!x->mask[b * s->mask_row + (query + n) * s->mask_query + key]) seen &= (__mmask16)~(1u << n);
            const __m512 mass = _mm512_loadu_ps(w->mass + query), shared = _mm512_loadu_ps(w->shared + query);
            const __m512 share =
                _mm512_maskz_mov_ps(seen, exponentials(_mm512_fmsub_ps(_mm512_loadu_ps(scores + q), scale, mass)));
            store_narrow(probabilities + q, share);
            store_narrow(slopes + q, _mm512_mul_ps(share, _mm512_sub_ps(_mm512_loadu_ps(through + q), shared)));
        }
    }
    pair_rows(w->slopes, DEEP, width, s->P, w->slope_pairs);
}

/* One query head: adds to for_keys and for_values, and leaves for_queries (E, P). */
static void back_head(const Sizes *s, const Tensors *x, const Backward *w, int64_t b, int64_t h) {
    const int64_t T = s->T, P = s->P, E = s->E;
    turned_rows(x->product + (b * T * s->N + h) * E, x->query_weight, x, b, s, w->rows);
    transpose((const pair *)w->rows, P, E / PAIR, w->queries_across);
    pair_rows(w->rows, P, E, E, w->queries);
    const number *gradient = x->gradient + (b * T * s->H + h) * E, *mixed = x->mixed + (b * T * s->H + h) * E;
    copy_rows(gradient, s->H * E, s, w->rows);
    transpose((const pair *)w->rows, P, E / PAIR, w->gradient_across);
    pair_rows(w->rows, P, E, E, w->gradient);
    memset(w->mass + T, 0, (P - T) * sizeof(float));
    memset(w->shared + T, 0, (P - T) * sizeof(float));
    memcpy(w->mass, x->mass + (b * s->H + h) * T, T * sizeof(float));
    for (int64_t t = 0; t < T; t++) { /* what softmax's gradient subtracts (Dao et al. 2022, eq. 4) */
        float sum = 0;
        for (int64_t e = 0; e < E; e++) sum += wide(gradient[t * s->H * E + e]) * wide(mixed[t * s->H * E + e]);
        w->shared[t] = sum;
    }
    memset(w->for_queries, 0, E * P * sizeof(float));
    for (int64_t start = 0; start < T; start += DEEP) {
        const int64_t first = s->causal ? start : 0, width = P - first;
        multiply(w->keys + start * E, E, w->queries_across + first, P, E / PAIR, w->scores, P, DEEP, width, 0);
        multiply(w->values + start * E, E, w->gradient_across + first, P, E / PAIR, w->through, P, DEEP, width, 0);
        slopes(s, x, w, b, start, first, width);
        const int64_t place = first / PAIR * E;
        multiply(w->probabilities, P, w->gradient + place, E, width / PAIR, w->for_values + start * E, E, DEEP, E, 1);
        multiply(w->slopes, P, w->queries + place, E, width / PAIR, w->for_keys + start * E, E, DEEP, E, 1);
        multiply(w->keys_across + start, P, w->slope_pairs, P, DEEP / PAIR, w->for_queries + first, P, E, width, 1);
    }
}

static void back_task(const Sizes *s, const Tensors *x, int64_t b, int64_t k, char *base) {
    const int64_t T = s->T, P = s->P, E = s->E, step = s->N * E, groups = s->H / s->K;
    const float scale = 1.0f / sqrtf((float)E);
    Backward w;
    backward_parts(s, base, &w);
    const number *row = x->product + b * T * step;
    number *for_row = x->for_product + b * T * step;
    float g[16 * E], *for_weights = x->for_weights + (b * s->K + k) * 2 * E;
    memset(for_weights, 0, 2 * E * sizeof(float));
    turned_rows(row + (s->H + k) * E, x->key_weight, x, b, s, w.keys);
    transpose_numbers(w.keys, P, E, w.keys_across);
    copy_rows(row + (s->H + s->K + k) * E, step, s, w.values);
    memset(w.for_keys, 0, P * E * sizeof(float));
    memset(w.for_values, 0, P * E * sizeof(float));
    for (int64_t h = k * groups; h < (k + 1) * groups; h++) {
        back_head(s, x, &w, b, h);
        for (int64_t start = 0; start < T; start += 16) {
            for (int64_t e = 0; e < E; e++)
                for (int64_t n = 0; n < 16; n++) g[n * E + e] = scale * w.for_queries[e * P + start + n];
            for (int64_t t = start; t < T && t < start + 16; t++) {
                const int64_t query = t * step + h * E;
                turn_back(g + (t - start) * E, row + query, x->query_weight, x, b, t, s, for_row + query, for_weights);
            }
        }
    }
    for (int64_t t = 0; t < T; t++) {
        const int64_t key = t * step + (s->H + k) * E;
        for (int64_t e = 0; e < E; e++) g[e] = scale * w.for_keys[t * E + e];
        turn_back(g, row + key, x->key_weight, x, b, t, s, for_row + key, for_weights + E);
        for (int64_t e = 0; e < E; e++) for_row[key + s->K * E + e] = narrow(w.for_values[t * E + e]);
    }
}

/* Bytes of working memory that a thread needs, forwards or backwards. */
int64_t room(const int64_t *sizes, int64_t backwards) {
    const Sizes s = complete(sizes);
    Forward f;
    Backward w;
    return backwards ? backward_parts(&s, 0, &w) : forward_parts(&s, 0, &f);
}

void attend(const int64_t *sizes, const Tensors *x, char *work, int64_t backwards) {
    const Sizes s = complete(sizes);
    const int64_t own = room(sizes, backwards);
#pragma omp parallel for schedule(dynamic) num_threads((int)s.threads)
    for (int64_t task = 0; task < s.B * s.K; task++) {
        char *base = work + omp_get_thread_num() * own;
        if (backwards)
            back_task(&s, x, task / s.K, task % s.K, base);
        else
            attend_task(&s, x, task / s.K, task % s.K, base);
    }
}
