/* The softmax of a chunk of logits, its cross-entropy and the gradient of that, in one go over each row while it is in a core's own
   cache; see language_kernel.py. Logits and gradient are `number`s, what is computed is float32.

   C positions, V vocabulary. */
#ifdef __AVX512F__
#pragma GCC target("prefer-vector-width=512")
#endif
#include "native.h"

#define BLOCK 32 /* positions whose shares of the bias's gradient are summed first, whatever the number of threads */

/* losses (C) = -weights * log softmax(logits + bias)[targets]; with `sloped` the gradient (C, V) of their sum, in the place of
   the logits, and where there is a bias its sums over BLOCK positions, shares (C/BLOCK rounded up, V). Returns how many targets
   lie outside the vocabulary; their positions are left alone. */
int64_t cross_entropy(number *logits, const float *bias, const int64_t *targets, const float *weights, float *losses,
                      float *shares, int64_t C, int64_t V, int64_t sloped, int64_t threads) {
    int64_t outside = 0;
#pragma omp parallel for schedule(dynamic) num_threads((int)threads) reduction(+ : outside)
    for (int64_t block = 0; block < (C + BLOCK - 1) / BLOCK; block++) {
        const int64_t stop = (block + 1) * BLOCK < C ? (block + 1) * BLOCK : C;
        float *share = shares + block * V;
        if (bias) memset(share, 0, V * sizeof(float));
        for (int64_t c = block * BLOCK; c < stop; c++) {
            if (targets[c] < 0 || targets[c] >= V) {
                outside++;
                continue;
            }
            number *row = logits + c * V;
            float most = -INFINITY, sum = 0;
            if (bias) {
                float values[V];
                for (int64_t v = 0; v < V; v++) values[v] = wide(row[v]) + bias[v];
                const float chosen = values[targets[c]];
                for (int64_t v = 0; v < V; v++) most = values[v] > most ? values[v] : most;
                for (int64_t v = 0; v < V; v++) {
                    values[v] = exponential(values[v] - most);
                    sum += values[v];
                }
                losses[c] = weights[c] * (most + logf(sum) - chosen);
                if (!sloped) continue;
                const float scale = weights[c] / sum;
                values[targets[c]] -= sum; /* d/dlogits of -w log p[target] is w (p - onehot) */
                for (int64_t v = 0; v < V; v++) {
                    share[v] += values[v] * scale;
                    row[v] = narrow(values[v] * scale);
                }
            } else {
                const float chosen = wide(row[targets[c]]);
                for (int64_t v = 0; v < V; v++) most = wide(row[v]) > most ? wide(row[v]) : most;
                for (int64_t v = 0; v < V; v++) sum += exponential(wide(row[v]) - most);
                losses[c] = weights[c] * (most + logf(sum) - chosen);
                if (!sloped) continue;
                const float scale = weights[c] / sum, own = exponential(chosen - most) - sum;
                for (int64_t v = 0; v < V; v++) row[v] = narrow(exponential(wide(row[v]) - most) * scale);
                row[targets[c]] = narrow(own * scale);
            }
        }
    }
    return outside;
}
