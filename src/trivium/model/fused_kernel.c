/* What lies between the matrix products of a layer in training, forwards and backwards, in one pass over memory each; see
   fused_kernel.py. The stream and all that is computed are float32, what products read and write are `number`s.

   R positions, D width, F intermediate size. */
#ifdef __AVX512F__
#pragma GCC target("prefer-vector-width=512")
#endif
#include "native.h"

#define BLOCK 32    /* positions whose shares of a weight's gradient are summed first, whatever the number of threads */
#define PIECE 4096  /* numbers of an activation that a thread takes at once */

typedef struct {
    const float *hidden;    /* (R, D) */
    const number *added;      /* (R, D), or null */
    const float *weight, *bias; /* (D); bias may be null */
    float *total;           /* (R, D), hidden + added; hidden itself where nothing is added */
    number *result;           /* (R, D) */
    float *mean, *inverse;  /* (R); no mean is taken where it is null */
    const number *gradient;   /* of result */
    const float *onward;    /* of total, or null */
    float *for_hidden;      /* (R, D) */
    number *for_added;        /* (R, D), or null */
    float *shares;          /* (R/BLOCK rounded up, 2, D), of the gradients of weight and bias */
    int64_t R, D, threads;
    float epsilon;
} Norm;

/* total = hidden + added; result = (total - mean) / sqrt(variance + epsilon) * weight + bias, or without the mean */
void norm_forward(const Norm *n) {
    const int64_t D = n->D;
#pragma omp parallel for schedule(dynamic, 16) num_threads((int)n->threads)
    for (int64_t r = 0; r < n->R; r++) {
        const float *hidden = n->hidden + r * D;
        float *total = n->total + r * D;
        number *result = n->result + r * D;
        if (n->added) {
            const number *added = n->added + r * D;
            for (int64_t d = 0; d < D; d++) total[d] = hidden[d] + wide(added[d]);
        }
        float mean = 0, squares = 0;
        if (n->mean) {
            for (int64_t d = 0; d < D; d++) mean += total[d];
            mean /= D;
            n->mean[r] = mean;
        }
        for (int64_t d = 0; d < D; d++) squares += (total[d] - mean) * (total[d] - mean);
        const float inverse = 1.0f / sqrtf(squares / D + n->epsilon);
        n->inverse[r] = inverse;
        if (n->bias)
            for (int64_t d = 0; d < D; d++) result[d] = narrow((total[d] - mean) * inverse * n->weight[d] + n->bias[d]);
        else
            for (int64_t d = 0; d < D; d++) result[d] = narrow((total[d] - mean) * inverse * n->weight[d]);
    }
}

void norm_backward(const Norm *n) {
    const int64_t D = n->D;
#pragma omp parallel for schedule(dynamic) num_threads((int)n->threads)
    for (int64_t block = 0; block < (n->R + BLOCK - 1) / BLOCK; block++) {
        float *for_weight = n->shares + block * 2 * D, *for_bias = for_weight + D;
        const int64_t stop = (block + 1) * BLOCK < n->R ? (block + 1) * BLOCK : n->R;
        memset(for_weight, 0, 2 * D * sizeof(float));
        for (int64_t r = block * BLOCK; r < stop; r++) {
            const number *gradient = n->gradient + r * D;
            const float *total = n->total + r * D, inverse = n->inverse[r], mean = n->mean ? n->mean[r] : 0.0f;
            float *for_hidden = n->for_hidden + r * D;
            float sum = 0, along = 0; /* of the gradient of what is normalised, and along it */
            for (int64_t d = 0; d < D; d++) {
                const float arrived = wide(gradient[d]), normal = (total[d] - mean) * inverse;
                for_weight[d] += arrived * normal;
                sum += arrived * n->weight[d];
                along += arrived * n->weight[d] * normal;
            }
            if (n->bias)
                for (int64_t d = 0; d < D; d++) for_bias[d] += wide(gradient[d]);
            sum = n->mean ? sum / D : 0.0f;
            along /= D;
            if (n->onward) {
                const float *onward = n->onward + r * D;
                for (int64_t d = 0; d < D; d++) {
                    const float normal = (total[d] - mean) * inverse;
                    for_hidden[d] = onward[d] + inverse * (wide(gradient[d]) * n->weight[d] - sum - normal * along);
                }
            } else {
                for (int64_t d = 0; d < D; d++) {
                    const float normal = (total[d] - mean) * inverse;
                    for_hidden[d] = inverse * (wide(gradient[d]) * n->weight[d] - sum - normal * along);
                }
            }
            if (n->for_added)
                for (int64_t d = 0; d < D; d++) n->for_added[r * D + d] = narrow(for_hidden[d]);
        }
    }
}

enum { SILU, GELU, GELU_TANH };

/* The value of an activation at x, and its slope there. */
INLINE void activation(const int kind, float x, float *value, float *slope) {
    if (kind == SILU) {
        const float share = 1.0f / (1.0f + exponential(-x));
        *value = x * share;
        *slope = share * (1.0f + x * (1.0f - share));
    } else if (kind == GELU) { /* the error function: Abramowitz and Stegun 7.1.26, to 1.5e-7 */
        const float size = fabsf(x), t = 1.0f / (1.0f + 0.23164190f * size), bell = exponential(-0.5f * x * x);
        const float sum = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
        const float tail = 0.5f * sum * bell, below = x < 0 ? tail : 1.0f - tail;
        *value = x * below;
        *slope = below + x * bell * 0.39894228f;
    } else {
        const float root = 0.79788456f, u = root * x * (1.0f + 0.044715f * x * x);
        const float share = 1.0f / (1.0f + exponential(-2.0f * u));
        *value = x * share;
        *slope = share + x * share * (1.0f - share) * 2.0f * root * (1.0f + 0.134145f * x * x);
    }
}

INLINE void plain(const int kind, const number *x, const number *gradient, number *result, int64_t count) {
    float value, slope;
    if (gradient)
        for (int64_t i = 0; i < count; i++) {
            activation(kind, wide(x[i]), &value, &slope);
            result[i] = narrow(wide(gradient[i]) * slope);
        }
    else
        for (int64_t i = 0; i < count; i++) {
            activation(kind, wide(x[i]), &value, &slope);
            result[i] = narrow(value);
        }
}

INLINE void gated(const int kind, const number *gate, const number *up, const number *gradient, number *result, int64_t F) {
    if (!gradient) {
        for (int64_t f = 0; f < F; f++) {
            float value, slope;
            activation(kind, wide(gate[f]), &value, &slope);
            result[f] = narrow(value * wide(up[f]));
        }
        return;
    }
    for (int64_t f = 0; f < F; f++) {
        float value, slope;
        activation(kind, wide(gate[f]), &value, &slope);
        const float arrived = wide(gradient[f]);
        result[f] = narrow(arrived * wide(up[f]) * slope);
        result[F + f] = narrow(arrived * value);
    }
}

/* result (count) = an activation of x; with `gradient`, that of its result, the gradient of x */
void activate(int64_t kind, const number *x, const number *gradient, number *result, int64_t count, int64_t threads) {
#pragma omp parallel for schedule(dynamic, 4) num_threads((int)threads)
    for (int64_t start = 0; start < count; start += PIECE) {
        const int64_t own = count - start < PIECE ? count - start : PIECE;
        const number *arrived = gradient ? gradient + start : 0;
        if (kind == SILU) plain(SILU, x + start, arrived, result + start, own);
        if (kind == GELU) plain(GELU, x + start, arrived, result + start, own);
        if (kind == GELU_TANH) plain(GELU_TANH, x + start, arrived, result + start, own);
    }
}

/* result (R, F) = activation(gate) * up, of gate and up side by side (R, 2 F); with `gradient`, that of its result, the
   gradient (R, 2 F) of both */
void activate_gated(int64_t kind, const number *both, const number *gradient, number *result, int64_t R, int64_t F,
                    int64_t threads) {
#pragma omp parallel for schedule(dynamic, 8) num_threads((int)threads)
    for (int64_t r = 0; r < R; r++) {
        const number *gate = both + 2 * r * F, *arrived = gradient ? gradient + r * F : 0;
        number *own = result + (gradient ? 2 : 1) * r * F;
        if (kind == SILU) gated(SILU, gate, gate + F, arrived, own, F);
        if (kind == GELU) gated(GELU, gate, gate + F, arrived, own, F);
        if (kind == GELU_TANH) gated(GELU_TANH, gate, gate + F, arrived, own, F);
    }
}
