/* What lies between the matrix products of a decoding step, of `number`s with float32 inside; see decode_kernel.py.

   B rows, H query heads, K key and value heads, E head size, C tokens that a slot holds, D width, F intermediate size. */
#include "native.h"

/* result (B, D) = x / sqrt(|x|^2 + room) times weight (D), where there is one */
void over_norm(const number *x, const float *weight, number *result, int64_t B, int64_t D, float room) {
#pragma omp parallel for schedule(static) if (B * D > 32768)
    for (int64_t b = 0; b < B; b++) {
        const number *row = x + b * D;
        float sum = 0;
        for (int64_t d = 0; d < D; d++) sum += wide(row[d]) * wide(row[d]);
        float inverse = 1.0f / sqrtf(sum + room);
        if (weight)
            for (int64_t d = 0; d < D; d++) result[b * D + d] = narrow(wide(row[d]) * inverse * weight[d]);
        else
            for (int64_t d = 0; d < D; d++) result[b * D + d] = narrow(wide(row[d]) * inverse);
    }
}

/* result (B, F) = silu(gate) * up, of gate and up side by side (B, 2 F) */
void swiglu(const number *gate_up, number *result, int64_t B, int64_t F) {
#pragma omp parallel for schedule(static) if (B * F > 16384)
    for (int64_t b = 0; b < B; b++) {
        const number *gate = gate_up + 2 * b * F, *up = gate + F;
        for (int64_t f = 0; f < F; f++) {
            float g = wide(gate[f]);
            result[b * F + f] = narrow(g / (1.0f + exponential(-g)) * wide(up[f]));
        }
    }
}

/* A head: over its norm and times `weight` (E), where there is one, rotated by halves, times `scale`. */
static void turn(const number *head, const float *weight, const float *cosine, const float *sine, float room,
                 float scale, int64_t E, float *result) {
    int64_t half = E / 2;
    float plain[E];
    for (int64_t e = 0; e < E; e++) plain[e] = wide(head[e]);
    if (weight) {
        float sum = 0;
        for (int64_t e = 0; e < E; e++) sum += plain[e] * plain[e];
        float inverse = 1.0f / sqrtf(sum + room);
        for (int64_t e = 0; e < E; e++) plain[e] *= inverse * weight[e];
    }
    for (int64_t e = 0; e < half; e++) {
        result[e] = scale * (plain[e] * cosine[e] - plain[e + half] * sine[e]);
        result[e + half] = scale * (plain[e + half] * cosine[e] + plain[e] * sine[e]);
    }
}

/* What a query of E numbers gives over the tokens first..now of keys and values (C, E), into result (E); scores: room for C. */
static inline __attribute__((always_inline)) void mix(const float *query, const number *keys, const number *values,
                                                      int64_t first, int64_t now, int64_t E, float *scores,
                                                      number *result) {
    float most = -INFINITY, sum = 0;
    for (int64_t t = first; t <= now; t++) {
        const number *key = keys + t * E;
        float score = 0;
        for (int64_t e = 0; e < E; e++) score += query[e] * wide(key[e]);
        scores[t] = score;
        most = score > most ? score : most;
    }
    for (int64_t t = first; t <= now; t++) {
        scores[t] = exponential(scores[t] - most);
        sum += scores[t];
    }
    float mixed[E];
    for (int64_t e = 0; e < E; e++) mixed[e] = 0;
    for (int64_t t = first; t <= now; t++) {
        const number *value = values + t * E;
        const float share = scores[t];
        for (int64_t e = 0; e < E; e++) mixed[e] += share * wide(value[e]);
    }
    for (int64_t e = 0; e < E; e++) result[e] = narrow(mixed[e] / sum);
}

/* Write the new token of each of the first B slots, and attend to all that it sees.

   qkv (B, (H + 2K) E); weight (H + K, E) or null; cosine, sine (positions, E/2); keys, values (slots, K, C, E);
   positions (B) of the new tokens; scores: room for (threads, C) numbers; result (B, H E). */
void attend(const number *qkv, const float *weight, const float *cosines, const float *sines, number *keys,
            number *values, const int64_t *positions, float *scores, number *result, const int64_t *sizes,
            float room, float scale) {
    const int64_t B = sizes[0], H = sizes[1], K = sizes[2], E = sizes[3], C = sizes[4], window = sizes[5];
    const int64_t G = H / K;
    const int threads = (int)sizes[6];
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (int64_t b = 0; b < B; b++) {
        for (int64_t k = 0; k < K; k++) {
            const int64_t now = positions[b], first = window && now + 1 > window ? now + 1 - window : 0;
            const float *cosine = cosines + now * E / 2, *sine = sines + now * E / 2;
            const number *row = qkv + b * (H + 2 * K) * E;
            number *own_keys = keys + (b * K + k) * C * E, *own_values = values + (b * K + k) * C * E;
            float *own = scores + omp_get_thread_num() * C;
            float head[E];
            turn(row + (H + k) * E, weight ? weight + (H + k) * E : 0, cosine, sine, room, 1.0f, E, head);
            for (int64_t e = 0; e < E; e++) own_keys[now * E + e] = narrow(head[e]);
            memcpy(own_values + now * E, row + (H + K + k) * E, E * sizeof(number));
            for (int64_t h = k * G; h < (k + 1) * G; h++) {
                turn(row + h * E, weight ? weight + h * E : 0, cosine, sine, room, scale, E, head);
                number *own_result = result + (b * H + h) * E;
                /* with the usual sizes written out, what is summed stays in the processor's registers */
                if (E == 32)
                    mix(head, own_keys, own_values, first, now, 32, own, own_result);
                else if (E == 64)
                    mix(head, own_keys, own_values, first, now, 64, own, own_result);
                else if (E == 128)
                    mix(head, own_keys, own_values, first, now, 128, own, own_result);
                else
                    mix(head, own_keys, own_values, first, now, E, own, own_result);
            }
        }
    }
}
