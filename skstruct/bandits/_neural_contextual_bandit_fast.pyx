"""The network of a contextual bandit: predictions, draws, and learning from one action at a time.

The state is in arrays that Python holds.  `counters` are the numbers of rounds and of stored
examples, and two streams of random numbers, one for decisions and one for replay: each number is
a hash of its counter, so that a state can be stored and taken up, and a simulated run draws what
separate decisions and lessons would.
"""

from cython cimport floating
from libc.float cimport DBL_MAX
from libc.math cimport exp, fmax, fmin, pow, sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

import numpy as np


cdef extern from "online_network.h" nogil:
    enum:
        SKSTRUCT_UNITS
    void skstruct_hidden_float(const float* W, const float* x, Py_ssize_t n_inputs,
                               Py_ssize_t n_units, float* h)
    void skstruct_hidden_double(const double* W, const double* x, Py_ssize_t n_inputs,
                                Py_ssize_t n_units, double* h)
    float skstruct_head_float(const float* v, float b, const float* h, Py_ssize_t n_units)
    double skstruct_head_double(const double* v, double b, const double* h, Py_ssize_t n_units)
    void skstruct_train_float(float* W, const float* W0, float* v, const float* v0, float g,
                              float rate, float pull, const float* x, const float* h,
                              Py_ssize_t n_inputs, Py_ssize_t n_units)
    void skstruct_train_double(double* W, const double* W0, double* v, const double* v0, double g,
                               double rate, double pull, const double* x, const double* h,
                               Py_ssize_t n_inputs, Py_ssize_t n_units)


UNITS = SKSTRUCT_UNITS
cdef double _SMALLEST_LOSS = 1e-6
cdef double _CLIP = 5.0
cdef double _CONSTANT = 1e-12
cdef uint64_t _GOLDEN = 0x9E3779B97F4A7C15ULL


cdef inline uint64_t _hash(uint64_t x) noexcept nogil:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL
    return x ^ (x >> 31)


cdef inline double _uniform(uint64_t* counter) noexcept nogil:
    counter[0] += _GOLDEN
    return (_hash(counter[0]) >> 11) * (1.0 / 9007199254740992.0)


cdef struct Rule:
    bint is_fast
    bint is_greedy
    double gamma
    double exponent


cdef Py_ssize_t _probabilities(const double* losses, Py_ssize_t n, Rule rule, double t,
                               double* p) noexcept nogil:
    """Write the probabilities of the actions; return the best one's number."""
    cdef Py_ssize_t a, best = 0
    cdef double gamma = fmin(rule.gamma * pow(t + 1, rule.exponent), DBL_MAX), others = 0.0
    for a in range(1, n):
        if losses[a] < losses[best]:
            best = a
    for a in range(n):
        if a == best:
            continue
        if rule.is_greedy:
            p[a] = 0.0
        elif rule.is_fast:
            p[a] = losses[best] / (n * losses[best] + gamma * (losses[a] - losses[best]))
        else:
            p[a] = 1.0 / (n + gamma * (losses[a] - losses[best]))
        others += p[a]
    p[best] = 1.0 - others
    return best


cdef Py_ssize_t _draw(const double* p, Py_ssize_t n, Py_ssize_t best,
                      uint64_t* counter) noexcept nogil:
    cdef Py_ssize_t a
    cdef double u = _uniform(counter), total = 0.0
    for a in range(n):
        if a != best:
            total += p[a]
            if u < total:
                return a
    return best


def action_probabilities(const double[:, ::1] losses, bint is_fast, bint is_greedy, double gamma,
                         double exponent, double t, double[:, ::1] out):
    """Write the distribution of the action in each row of predicted losses."""
    cdef Rule rule = Rule(is_fast, is_greedy, gamma, exponent)
    cdef Py_ssize_t i
    for i in range(losses.shape[0]):
        _probabilities(&losses[i, 0], losses.shape[1], rule, t, &out[i, 0])


def draw_actions(const double[:, ::1] losses, bint is_fast, bint is_greedy, double gamma,
                 double exponent, uint64_t[::1] counters, int64_t[::1] actions,
                 double[::1] proba):
    """Draw an action for each row of predicted losses, and write its probability."""
    cdef Rule rule = Rule(is_fast, is_greedy, gamma, exponent)
    cdef Py_ssize_t i, best, n = losses.shape[1]
    cdef double[::1] p = np.empty(n)
    for i in range(losses.shape[0]):
        best = _probabilities(&losses[i, 0], n, rule, <double>counters[0], &p[0])
        actions[i] = _draw(&p[0], n, best, &counters[2])
        proba[i] = p[actions[i]]


cdef inline double _loss(double z, bint is_log) noexcept nogil:
    """Return the loss that an output stands for, not clipped."""
    return 1.0 / (1.0 + exp(-z)) if is_log else z + 0.5


cdef void _enter(const floating* x, const double* mean, const double* inverse, bint normalize,
                 Py_ssize_t d, floating* out) noexcept nogil:
    """Write the inputs of the network."""
    cdef Py_ssize_t j
    if not normalize:
        memcpy(out, x, d * sizeof(floating))
        return
    for j in range(d):
        out[j] = <floating>fmin(fmax((x[j] - mean[j]) * inverse[j], -_CLIP), _CLIP)


cdef void _invert(const double* squares, double n, Py_ssize_t d, double* inverse) noexcept nogil:
    """Write 1 / sd of sums of n squared deviations, 0 for those of constants."""
    cdef Py_ssize_t j
    cdef double sd
    for j in range(d):
        sd = sqrt(squares[j] / n)
        inverse[j] = 1.0 / sd if sd > _CONSTANT else 0.0


cdef void _hidden(const floating* W, const floating* x, Py_ssize_t d, Py_ssize_t H,
                  floating* h) noexcept nogil:
    if floating is float:
        skstruct_hidden_float(W, x, d, H, h)
    else:
        skstruct_hidden_double(W, x, d, H, h)


cdef double _head(const floating* v, floating b, const floating* h, Py_ssize_t H) noexcept nogil:
    if floating is float:
        return skstruct_head_float(v, b, h, H)
    else:
        return skstruct_head_double(v, b, h, H)


cdef void _predict(const floating* W, const floating* V, const floating* b, const floating* x,
                   Py_ssize_t d, Py_ssize_t H, Py_ssize_t K, bint is_log, floating* h,
                   double* out) noexcept nogil:
    """Write the clipped loss of every action."""
    cdef Py_ssize_t a
    _hidden(W, x, d, H, h)
    for a in range(K):
        out[a] = fmin(fmax(_loss(_head(V + a * H, b[a], h, H), is_log), _SMALLEST_LOSS),
                      1.0 - _SMALLEST_LOSS)


cdef void _train(floating* W, const floating* W0, floating* v, const floating* v0, floating* b,
                 floating b0, double g, double rate, double pull, const floating* x,
                 const floating* h, Py_ssize_t d, Py_ssize_t H) noexcept nogil:
    if floating is float:
        skstruct_train_float(W, W0, v, v0, <float>g, <float>rate, <float>pull, x, h, d, H)
    else:
        skstruct_train_double(W, W0, v, v0, g, rate, pull, x, h, d, H)
    b[0] -= <floating>(rate * (g + pull * (b[0] - b0)))


def predicted_losses(const floating[:, ::1] X, const floating[:, ::1] W, const floating[:, ::1] V,
                     const floating[::1] b, const double[:, ::1] moments, double n_seen,
                     bint is_log, bint normalize, double[:, ::1] out):
    """Write the clipped loss of every action in every row."""
    cdef:
        Py_ssize_t i, d = W.shape[0] - 1, H = W.shape[1], K = V.shape[0]
        floating[::1] x = np.empty(d, dtype=np.asarray(X).dtype)
        floating[::1] h = np.empty(H, dtype=np.asarray(X).dtype)
        double[::1] inverse = np.zeros(d)
    with nogil:
        if n_seen > 0:
            _invert(&moments[1, 0], n_seen, d, &inverse[0])
        for i in range(X.shape[0]):
            _enter(&X[i, 0], &moments[0, 0], &inverse[0], normalize, d, &x[0])
            _predict(&W[0, 0], &V[0, 0], &b[0], &x[0], d, H, K, is_log, &h[0], &out[i, 0])


def play(const floating[:, ::1] X, int64_t[::1] actions, const double[:, :] losses, bint draws,
         double[::1] proba, floating[:, ::1] W, const floating[:, ::1] W0, floating[:, ::1] V,
         const floating[:, ::1] V0, floating[::1] b, const floating[::1] b0,
         double[:, ::1] moments, uint64_t[::1] counters, floating[:, ::1] contexts,
         int64_t[::1] taken, double[::1] suffered, Py_ssize_t n_replay, double rate, double pull,
         bint is_log, bint normalize, bint is_fast, bint is_greedy, double gamma,
         double exponent):
    """Go through rounds: an action is drawn, if it is not given, and learned from.

    Parameters
    ----------
    X : array of shape (n, d)
        Contexts.
    actions : array of shape (n,)
        Given, or written if `draws`.
    losses : array of shape (n, n_actions) if `draws`, else (n, 1)
        Of all actions, or of the given one.
    draws : bool
        Whether the actions are to be drawn.
    proba : array of shape (n,)
        Probabilities of drawn actions, written.
    W, W0, V, V0, b, b0 : arrays
        Weights by input and unit, the last input 1; by action and unit; of the actions; and what
        they were at the start.
    moments : array of shape (2, d)
        Means of the contexts, and sums of their squared deviations.
    counters : array of shape (4,)
        Rounds, stored examples, decisions' and replay's random numbers.
    contexts, taken, suffered : arrays of shape (capacity, d), (capacity,), (capacity,)
        Stored contexts, actions and losses; as long as there is room, none is replaced.
    n_replay : int
        Stored examples to learn from again in a round; 0 if there is no capacity.
    rate, pull : double
        Of a step, and of the way back to the start.
    is_log, normalize, is_fast, is_greedy, gamma, exponent
        See the class.
    """
    cdef:
        Py_ssize_t i, j, k, a, best, slot, d = W.shape[0] - 1, H = W.shape[1], K = V.shape[0]
        Py_ssize_t capacity = taken.shape[0]
        Rule rule = Rule(is_fast, is_greedy, gamma, exponent)
        floating[::1] x = np.empty(d, dtype=np.asarray(X).dtype)
        floating[::1] h = np.empty(H, dtype=np.asarray(X).dtype)
        double[::1] p = np.empty(2 * K), inverse = np.zeros(d)
        const floating* row
        double n_seen, change, loss, g
    with nogil:
        if counters[0] > 0:
            _invert(&moments[1, 0], <double>counters[0], d, &inverse[0])
        for i in range(X.shape[0]):
            row = &X[i, 0]
            n_seen = <double>counters[0]
            if draws:
                _enter(row, &moments[0, 0], &inverse[0], normalize, d, &x[0])
                _predict(&W[0, 0], &V[0, 0], &b[0], &x[0], d, H, K, is_log, &h[0], &p[K])
                best = _probabilities(&p[K], K, rule, n_seen, &p[0])
                a = _draw(&p[0], K, best, &counters[2])
                actions[i] = a
                proba[i] = p[a]
                loss = losses[i, a]
            else:
                a = actions[i]
                loss = losses[i, 0]
            counters[0] += 1
            for j in range(d):
                change = row[j] - moments[0, j]
                moments[0, j] += change / (n_seen + 1)
                moments[1, j] += change * (row[j] - moments[0, j])
            _invert(&moments[1, 0], n_seen + 1, d, &inverse[0])
            if capacity > 0:
                slot = <Py_ssize_t>counters[1]
                if slot == capacity:
                    slot = <Py_ssize_t>(_uniform(&counters[3]) * capacity)
                else:
                    counters[1] += 1
                memcpy(&contexts[slot, 0], row, d * sizeof(floating))
                taken[slot] = a
                suffered[slot] = loss
            for k in range(1 + n_replay):
                if k > 0:
                    slot = <Py_ssize_t>(_uniform(&counters[3]) * counters[1])
                    row = &contexts[slot, 0]
                    a = taken[slot]
                    loss = suffered[slot]
                _enter(row, &moments[0, 0], &inverse[0], normalize, d, &x[0])
                _hidden(&W[0, 0], &x[0], d, H, &h[0])
                g = _loss(_head(&V[a, 0], b[a], &h[0], H), is_log) - loss
                _train(&W[0, 0], &W0[0, 0], &V[a, 0], &V0[a, 0], &b[a], b0[a], g, rate, pull,
                       &x[0], &h[0], d, H)
