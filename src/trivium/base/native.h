/* What the libraries in C share (native.py): numbers in memory, of bfloat16 or where FLOAT32 is defined of float32, and the
   arithmetic, which is always float32. */
#pragma once
#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#ifdef FLOAT32
typedef float number;

INLINE float wide(number value) { return value; }

INLINE number narrow(float value) { return value; }
#else
typedef uint16_t number;

INLINE float wide(number value) {
    uint32_t bits = (uint32_t)value << 16;
    float result;
    memcpy(&result, &bits, 4);
    return result;
}

INLINE number narrow(float value) { /* to the nearest, ties to even */
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (number)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
#endif

/* exp(x) to 2 in 10 million, for all of a loop at once: the library's is called for one number after the other. By 2^n e^r with
   |r| <= log(2) / 2 and the polynomial of Cephes (S. L. Moshier) for e^r. No less than 1e-38, and infinite from 88.4 on. */
INLINE float exponential(float x) {
    x = x < -87.0f ? -87.0f : x > 89.0f ? 89.0f : x;
    const float n = rintf(x * 1.44269504f), r = x - n * 0.693147181f;
    float e = 1.9875691500e-4f;
    e = e * r + 1.3981999507e-3f;
    e = e * r + 8.3334519073e-3f;
    e = e * r + 4.1665795894e-2f;
    e = e * r + 1.6666665459e-1f;
    e = e * r + 5.0000001201e-1f;
    e = e * r * r + r + 1.0f;
    const int32_t bits = ((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, 4);
    return e * power;
}
