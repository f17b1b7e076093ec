/* What the libraries in C share (native.py): numbers of bfloat16, computed in float32. */
#pragma once
#ifdef __AVX512F__
#pragma GCC target("prefer-vector-width=512")
#endif
#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef uint16_t half;

INLINE float wide(half value) {
    uint32_t bits = (uint32_t)value << 16;
    float result;
    memcpy(&result, &bits, 4);
    return result;
}

INLINE half narrow(float value) { /* to the nearest, ties to even */
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (half)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* e^x to about 1e-6, bounded where float32 ends */
INLINE float exponential(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float whole = rintf(x * 1.44269504f), rest = x - whole * 0.69314718f;
    const int32_t bits = ((int32_t)whole + 127) << 23;
    float power, sum = 1.0f / 720;
    memcpy(&power, &bits, 4);
    sum = sum * rest + 1.0f / 120;
    sum = sum * rest + 1.0f / 24;
    sum = sum * rest + 1.0f / 6;
    sum = sum * rest + 0.5f;
    sum = sum * rest + 1.0f;
    sum = sum * rest + 1.0f;
    return sum * power;
}
