/* Training steps of a net: backpropagation.py, normalization.py, loss.py and optimizers.py once more, bit by bit.
 *
 * Those define each result; here the same operations of IEEE arithmetic are done to the same numbers, those on one
 * number in the same order, without Python in between and while the numbers are in the processor's cache. No
 * multiplication and addition may become one (-ffp-contract=off), and no sum may be taken in another order. Matrix
 * products, exp, log and sums along rows are NumPy's own functions, whose addresses come with the step.
 *
 * Numbers in parentheses are the equations of backpropagation.md. Arrays have rows one after the other, as NumPy's.
 */

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef void product_function(int order, int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k,
                              float alpha, const float *a, int64_t a_row, const float *b, int64_t b_row,
                              float beta, float *c, int64_t c_row);
typedef float dot_function(int64_t n, const float *x, int64_t x_step, const float *y, int64_t y_step);
typedef void loop_function(char **arrays, const intptr_t *count, const intptr_t *steps, void *data);

typedef struct {
    loop_function *function;
    void *data;
} loop;

enum { SGD, MOMENTUM, NESTEROV, ADAM };

/* What changes from step to step. */
typedef struct {
    float rate, rate_ahead; /* the learning rate; of Nesterov's momentum also times that */
    float step_size, square_correction; /* of Adam, for m̂ and v̂ */
    float decay;            /* factor on the weights, 1 for none */
    float share;            /* of the new weights in the average */
} scalars;

/* All that steps need; compiled_step.py has the same fields in the same order. */
typedef struct {
    /* NumPy's functions */
    product_function *product;
    dot_function *dot;
    loop exp, log, add, add_double;
    /* the net: weights of all layers, then biases, then gammas, one after the other; so are the other four arrays */
    int64_t layers, inputs, units, classes;
    float *parameters, *gradients, *first_moments, *second_moments, *averages;
    /* the loss */
    double penalty;             /* λ, 0 for none */
    float penalty_slope;        /* 2 λ */
    float smoothing, kept;      /* the share that is spread over all classes, and 1 minus it; smoothing 0 for none */
    float spread;               /* smoothing / classes */
    const double *class_weights; /* NULL for none */
    int64_t weighted_classes;
    /* the layers */
    int64_t normalized;         /* whether hidden layers are */
    float epsilon;
    float dropout_scale;        /* 1 / (1 - rate), 0 for no dropout */
    /* the optimizer */
    int64_t optimizer;
    float momentum;
    float beta1, rest1, beta2, rest2, adam_epsilon;
    /* the batch of one step; where there are places, the steps make it themselves, in this memory */
    int64_t rows;
    float *images;              /* (rows, inputs) */
    int64_t *labels;            /* (rows,) */
    float **masks;              /* of the inputs and of each hidden layer; NULL for none */
    float *scratch;             /* scratch_size(layers, units, classes, rows, normalized) numbers */
    /* the batches of several steps */
    const int64_t *places;      /* of the rows left in this epoch, in their order, among the training rows; or NULL */
    int64_t left, batch_size;
    const int64_t *stored_rows; /* of each training row, where it is stored */
    const int64_t *stored_labels;
    const uint8_t *pixels;      /* (stored, inputs); (pixels - offset) · scale is an image; or NULL */
    const float *offset;        /* (inputs,) */
    float scale;
    const float *numbers;       /* (training rows, inputs), the images themselves, where there are no pixels */
    /* of each step */
    const scalars *scalars;
    double *losses;             /* J before the step, when it is taken */
    scalars now;                /* of the step that is being taken */
} step;

/* Compiled once, not anew in each place that calls it. */
#define APART __attribute__((noinline)) static

enum { ROWS_FIRST = 101, AS_IS = 111, TRANSPOSED = 112 };

int64_t scratch_size(int64_t layers, int64_t units, int64_t classes, int64_t rows, int64_t normalized) {
    int64_t hidden = layers - 1;
    return rows * (units * (hidden + 2) + 2 * classes + 4) + normalized * hidden * (rows + 1) * units + 3 * units;
}

/* c (m, n) = a (m, k) @ b (k, n) */
static void multiply(const step *s, int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c) {
    s->product(ROWS_FIRST, AS_IS, AS_IS, m, n, k, 1, a, k, b, n, 0, c, n);
}

/* c (m, n) = a (k, m).T @ b (k, n) */
static void multiply_at(const step *s, int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c) {
    s->product(ROWS_FIRST, TRANSPOSED, AS_IS, m, n, k, 1, a, m, b, n, 0, c, n);
}

/* c (m, n) = a (m, k) @ b (n, k).T */
static void multiply_bt(const step *s, int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c) {
    s->product(ROWS_FIRST, AS_IS, TRANSPOSED, m, n, k, 1, a, k, b, k, 0, c, n);
}

/* A function of each number, in its place. */
static void apply(loop f, float *numbers, int64_t count) {
    char *arrays[2] = {(char *)numbers, (char *)numbers};
    intptr_t counts[1] = {count}, steps[2] = {sizeof(float), sizeof(float)};
    f.function(arrays, counts, steps, f.data);
}

static float sum(const step *s, const float *numbers, int64_t count) {
    float total = 0;
    char *arrays[3] = {(char *)&total, (char *)numbers, (char *)&total};
    intptr_t counts[1] = {count}, steps[3] = {0, sizeof(float), 0};
    s->add.function(arrays, counts, steps, s->add.data);
    return total;
}

static double sum_double(const step *s, const double *numbers, int64_t count) {
    double total = 0;
    char *arrays[3] = {(char *)&total, (char *)numbers, (char *)&total};
    intptr_t counts[1] = {count}, steps[3] = {0, sizeof(double), 0};
    s->add_double.function(arrays, counts, steps, s->add_double.data);
    return total;
}

/* Sums down the columns of (rows, columns), from the first row to the last. */
APART void sum_columns(const float *restrict numbers, int64_t rows, int64_t columns, float *restrict sums) {
    for (int64_t j = 0; j < columns; j++) sums[j] = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) sums[j] += numbers[i * columns + j];
}

/* The same of the products of two arrays. */
APART void sum_products(const float *restrict a, const float *restrict b, int64_t rows, int64_t columns,
                         float *restrict sums) {
    for (int64_t j = 0; j < columns; j++) sums[j] = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) sums[j] += a[i * columns + j] * b[i * columns + j];
}

/* NumPy's maximum with 0, where NaN stays. */
static inline float relu(float x) { return x > 0 ? x : (x != x ? x : 0.0f); }

/* ---- batch normalisation ---- */

/* z becomes γ ẑ; ẑ and the deviations stay for the way back. */
APART void normalize(const step *s, float *restrict z, const float *restrict gamma, float *restrict normalized,
                      float *restrict deviations, float *restrict means) {
    int64_t rows = s->rows, units = s->units;
    float count = (float)rows;
    sum_columns(z, rows, units, means);
    for (int64_t j = 0; j < units; j++) means[j] /= count;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < units; j++) normalized[i * units + j] = z[i * units + j] - means[j];
    sum_products(normalized, normalized, rows, units, deviations);
    for (int64_t j = 0; j < units; j++) deviations[j] = sqrtf(deviations[j] / count + s->epsilon);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < units; j++) {
            float x = normalized[i * units + j] / deviations[j]; /* (10) */
            normalized[i * units + j] = x;
            z[i * units + j] = x * gamma[j]; /* (11) but for b */
        }
}

/* The gradient by γ ẑ + b becomes δ. */
APART void normalize_back(const step *s, float *restrict delta, const float *restrict bias_gradient,
                           const float *restrict gamma, float *restrict gamma_gradient,
                           const float *restrict normalized, const float *restrict deviations,
                           float *restrict factors) {
    int64_t rows = s->rows, units = s->units;
    float count = (float)rows;
    float *restrict shares = factors + units, *restrict scales = shares + units;
    sum_products(delta, normalized, rows, units, gamma_gradient); /* (12) */
    for (int64_t j = 0; j < units; j++) {
        factors[j] = gamma_gradient[j] / count;
        shares[j] = bias_gradient[j] / count;
        scales[j] = gamma[j] / deviations[j];
    }
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < units; j++) {
            float x = delta[i * units + j] - normalized[i * units + j] * factors[j];
            delta[i * units + j] = (x - shares[j]) * scales[j]; /* (13) */
        }
}

/* ---- the loss ---- */

/* Returns the mean of the losses; deltas gets its gradient by the logits. correct, losses, weighted: scratch. */
APART double cross_entropy(const step *s, const float *restrict logits, float *restrict deltas,
                            float *restrict correct, float *restrict sums, double *restrict weighted) {
    int64_t rows = s->rows, classes = s->classes;
    float count = (float)rows;
    for (int64_t i = 0; i < rows; i++) {
        const float *restrict z = logits + i * classes;
        float *restrict d = deltas + i * classes;
        float largest = z[0];
        int is_nan = 0;
        for (int64_t c = 1; c < classes; c++) {
            largest = z[c] > largest ? z[c] : largest;
            is_nan |= z[c] != z[c];
        }
        if (is_nan) largest = NAN;
        for (int64_t c = 0; c < classes; c++) d[c] = z[c] - largest;
        correct[i] = d[s->labels[i]];
        if (s->smoothing != 0) {
            float mean = sum(s, d, classes) / (float)classes;
            correct[i] = s->kept * correct[i] + s->smoothing * mean; /* (16) */
        }
    }
    apply(s->exp, deltas, rows * classes);
    for (int64_t i = 0; i < rows; i++) {
        float *restrict d = deltas + i * classes;
        float total = sum(s, d, classes);
        sums[i] = total;
        for (int64_t c = 0; c < classes; c++) d[c] /= total; /* p */
        d[s->labels[i]] -= s->kept;                          /* (4) */
    }
    if (s->smoothing != 0)
        for (int64_t i = 0; i < rows * classes; i++) deltas[i] -= s->spread; /* (17) */
    for (int64_t i = 0; i < rows * classes; i++) deltas[i] /= count;         /* (5) */
    if (s->class_weights)
        for (int64_t i = 0; i < rows; i++) {
            double weight = s->class_weights[s->labels[i]];
            for (int64_t c = 0; c < classes; c++)
                deltas[i * classes + c] = (float)(deltas[i * classes + c] * weight); /* (19) */
        }
    apply(s->log, sums, rows);
    for (int64_t i = 0; i < rows; i++) sums[i] -= correct[i];
    if (!s->class_weights) return sum(s, sums, rows) / count; /* (3) */
    for (int64_t i = 0; i < rows; i++) weighted[i] = s->class_weights[s->labels[i]] * sums[i];
    return sum_double(s, weighted, rows) / (double)rows; /* (18) */
}

/* ---- the optimizer ---- */

enum { BLOCK = 1024 }; /* numbers; what is done to them one after the other finds them in the first cache */

/* Moves some of the parameters, the weights among them or the others. */
APART void optimize(const step *s, int64_t start, int64_t count, int are_weights) {
    for (int64_t end = start + count; start < end; start += BLOCK) {
        int64_t n = end - start < BLOCK ? end - start : BLOCK;
        float *restrict w = s->parameters + start, *restrict g = s->gradients + start;
        float *restrict m = s->first_moments + start, *restrict v = s->second_moments + start;
        float rate = s->now.rate, ahead = s->now.rate_ahead, momentum = s->momentum;
        float beta1 = s->beta1, rest1 = s->rest1, beta2 = s->beta2, rest2 = s->rest2;
        float correction = s->now.square_correction, epsilon = s->adam_epsilon, step_size = s->now.step_size;
        if (are_weights && s->penalty != 0) {
            float slope = s->penalty_slope;
            for (int64_t i = 0; i < n; i++) g[i] += w[i] * slope; /* (8) */
        }
        if (are_weights && s->now.decay != 1) {
            float decay = s->now.decay;
            for (int64_t i = 0; i < n; i++) w[i] *= decay;
        }
        switch (s->optimizer) {
        case SGD:
            for (int64_t i = 0; i < n; i++) w[i] -= g[i] * rate;
            break;
        case MOMENTUM:
            for (int64_t i = 0; i < n; i++) {
                m[i] = m[i] * momentum + g[i];
                w[i] -= m[i] * rate;
            }
            break;
        case NESTEROV:
            for (int64_t i = 0; i < n; i++) {
                m[i] = m[i] * momentum + g[i];
                w[i] = w[i] - g[i] * rate - m[i] * ahead;
            }
            break;
        case ADAM:
            for (int64_t i = 0; i < n; i++) {
                m[i] = m[i] * beta1 + g[i] * rest1;
                v[i] = v[i] * beta2 + g[i] * g[i] * rest2;
                w[i] -= m[i] / (sqrtf(v[i]) / correction + epsilon) * step_size;
            }
            break;
        }
        if (s->averages) {
            float *restrict a = s->averages + start;
            float share = s->now.share;
            for (int64_t i = 0; i < n; i++) a[i] += (w[i] - a[i]) * share;
        }
    }
}

/* ---- the step ---- */

static int64_t width(const step *s, int64_t layer) { return layer < s->layers - 1 ? s->units : s->classes; }

/* Whether each label, and each with a weight, is one of the classes. */
static int labels_fit(const step *s) {
    int64_t classes = s->classes;
    if (s->class_weights && s->weighted_classes < classes) classes = s->weighted_classes;
    for (int64_t i = 0; i < s->rows; i++)
        if (s->labels[i] < 0 || s->labels[i] >= classes) return 0;
    return 1;
}

/* Takes one step; returns J before it. */
static double take_step(const step *s) {
    int64_t rows = s->rows, units = s->units, classes = s->classes, hidden = s->layers - 1;
    double *weighted = (double *)s->scratch; /* (rows,) */
    float *outputs = (float *)(weighted + rows);     /* a(1) … a(L-1), each (rows, units) */
    float *logits = outputs + hidden * rows * units; /* (rows, classes) */
    float *last = logits + rows * classes;           /* δ(L), (rows, classes) */
    float *delta = last + rows * classes, *below = delta + rows * units; /* δ of two layers in turn */
    float *correct = below + rows * units, *sums = correct + rows; /* (rows,) */
    float *columns = sums + rows;                                  /* (3, units) */
    float *normalized = columns + 3 * units, *deviations = normalized + hidden * rows * units;
    int64_t all_weights = s->inputs * units + (hidden - 1) * units * units + units * classes;
    int64_t biases = all_weights, gammas = biases + hidden * units + classes;

    const float *images = s->images;
    if (s->masks && s->masks[0]) {
        float *restrict mask = s->masks[0];
        for (int64_t i = 0; i < rows * s->inputs; i++) mask[i] = images[i] * mask[i]; /* (15) */
        images = mask;
    }

    /* forward */
    int64_t weights = 0, columns_in = s->inputs;
    const float *a = images;
    for (int64_t layer = 0; layer < s->layers; layer++) {
        int64_t n = width(s, layer);
        float *restrict z = layer < hidden ? outputs + layer * rows * units : logits;
        const float *restrict bias = s->parameters + biases + layer * units;
        multiply(s, rows, n, columns_in, a, s->parameters + weights, z); /* (1) */
        if (layer < hidden) {
            if (s->normalized)
                normalize(s, z, s->parameters + gammas + layer * units, normalized + layer * rows * units,
                          deviations + layer * units, columns);
            const float *restrict mask = s->masks ? s->masks[layer + 1] : 0;
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = 0; j < n; j++) z[i * n + j] = relu(z[i * n + j] + bias[j]); /* (1), (2) */
            if (mask)
                for (int64_t i = 0; i < rows * n; i++) z[i] *= mask[i]; /* (15) */
        } else {
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = 0; j < n; j++) z[i * n + j] += bias[j]; /* (1) */
        }
        weights += columns_in * n;
        columns_in = n;
        a = z;
    }

    double loss = cross_entropy(s, logits, last, correct, sums, weighted);
    if (s->penalty != 0) loss += s->penalty * s->dot(all_weights, s->parameters, 1, s->parameters, 1); /* (3) */

    /* backward; a layer's weights move as soon as δ below them is known, while their gradient is in the cache */
    float *d = last;
    for (int64_t layer = hidden; layer >= 0; layer--) {
        int64_t n = width(s, layer), in = layer ? units : s->inputs;
        float *bias_gradient = s->gradients + biases + layer * units;
        weights -= in * n;
        const float *restrict input = layer ? outputs + (layer - 1) * rows * units : images;
        sum_columns(d, rows, n, bias_gradient); /* (7), (12) */
        if (s->normalized && layer < hidden)
            normalize_back(s, d, bias_gradient, s->parameters + gammas + layer * units,
                           s->gradients + gammas + layer * units, normalized + layer * rows * units,
                           deviations + layer * units, columns);
        multiply_at(s, in, n, rows, input, d, s->gradients + weights); /* (6) */
        if (layer) {
            float *restrict e = d == delta ? below : delta;
            multiply_bt(s, rows, in, n, d, s->parameters + weights, e); /* (9) */
            for (int64_t i = 0; i < rows * in; i++) e[i] *= input[i] > 0 ? 1.0f : 0.0f; /* (9) */
            if (s->dropout_scale != 0)
                for (int64_t i = 0; i < rows * in; i++) e[i] *= s->dropout_scale; /* (15) */
            d = e;
        }
        optimize(s, weights, in * n, 1);
    }
    optimize(s, biases, gammas - biases + (s->normalized ? hidden * units : 0), 0);
    return loss;
}

/* ---- several steps ---- */

/* Makes the next batch. */
APART void gather(step *s) {
    int64_t inputs = s->inputs, rows = s->left < s->batch_size ? s->left : s->batch_size;
    const float *restrict offset = s->offset;
    float scale = s->scale;
    for (int64_t i = 0; i < rows; i++) {
        int64_t place = s->places[i], row = s->stored_rows[place];
        float *restrict image = s->images + i * inputs;
        s->labels[i] = s->stored_labels[row];
        if (!s->pixels) {
            memcpy(image, s->numbers + place * inputs, inputs * sizeof(float));
            continue;
        }
        const uint8_t *restrict pixels = s->pixels + row * inputs;
        for (int64_t j = 0; j < inputs; j++) image[j] = ((float)pixels[j] - offset[j]) * scale;
    }
    s->rows = rows;
    s->places += rows;
    s->left -= rows;
}

/* Takes so many steps; returns how many it took. It stops before one with a label that is no class. */
int64_t take_steps(step *s, int64_t count) {
    for (int64_t k = 0; k < count; k++) {
        if (s->places) gather(s);
        if (!labels_fit(s)) return k;
        s->now = s->scalars[k];
        s->losses[k] = take_step(s);
    }
    return count;
}
