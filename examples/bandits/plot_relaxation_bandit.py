"""
Let a time stepper tune its linear solver
=========================================

An implicit time step solves a linear system, and every step a slightly different one. How many
iterations that takes depends on a parameter of the solver, whose best value changes as the physics
does. :class:`~skstruct.bandits.RelaxationBandit` learns it on the way from the iteration counts,
which are free.
"""

# %%
# Heat in a square, in steps of Crank and Nicolson: the diffusion is weak in the first half of the
# time and up to a hundred times stronger in the second, and a source goes round in a circle. Each
# step is solved by conjugate gradients with the SSOR preconditioner, from the state before.
import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse

from skstruct.bandits import RelaxationBandit
from skstruct.linalg import ssor_cg

m, dt, n_steps = 49, 1e-3, 1000
line = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(m, m)) * (m + 1) ** 2
laplacian = sparse.kronsum(line, line).tocsr()
identity = sparse.eye_array(m * m)
x, y = (axis.ravel() for axis in np.meshgrid(*2 * [np.arange(1, m + 1) / (m + 1)]))


def source(t):
    east, north = 0.5 + np.cos(2 * np.pi * t) / 4, 0.5 + np.sin(2 * np.pi * t) / 4
    return 32 * np.exp(-200 * ((x - east) ** 2 + (y - north) ** 2))


def diffusion(t):
    return max(0.1 * np.sin(2 * np.pi * t), -10 * np.sin(2 * np.pi * t))


# %%
# To know what could be reached, every step is solved with every relaxation. The learner sees one
# of these counts a step, that of the relaxation it chose, and what it knows of a step beforehand:
# the diffusion.
omegas = np.linspace(1, 1.95, 20)
contexts = np.array([diffusion((step + 0.5) * dt) for step in range(n_steps)])
counts = np.empty((n_steps, len(omegas)), dtype=int)
u = np.sin(np.pi * x) * np.sin(np.pi * y)
for step, kappa in enumerate(contexts):
    half = (0.5 * dt * kappa) * laplacian
    A, b = (identity - half).tocsr(), u + half @ u + dt * source((step + 0.5) * dt)
    for j, omega in enumerate(omegas):
        solution, counts[step, j] = ssor_cg(A, b, omega, x0=u)
    u = solution

chosen, taken = {}, {}
for strategy in ("tsallis", "cheb", "smooth"):
    bandit = RelaxationBandit(omegas, strategy, context_range=(0, 10), random_state=0)
    for step, kappa in enumerate(contexts):
        j = np.searchsorted(omegas, bandit.ask(kappa))
        bandit.tell(max(counts[step, j], 1))
    chosen[strategy], taken[strategy] = omegas[bandit.indices_], bandit.costs_

# %%
# A fixed relaxation is a compromise between the halves. The learner without context finds it; the
# others follow the valley, the one that knows that neighbouring relaxations are alike the closest.
totals = counts.sum(axis=0)
fixed = np.argmin(totals)
lines = {f"always {omegas[fixed]:.2f}, the best": counts[:, fixed], "always 1": counts[:, 0]}
lines |= taken | {"the best for each step": counts.min(axis=1)}
for name, costs in lines.items():
    print(f"{name:26s} {costs.sum():6.0f} iterations")

figure, axes = plt.subplots(2, 2, figsize=(12, 8), layout="constrained", sharex=True)
times = np.arange(n_steps) * dt
for axis, (strategy, values) in zip(axes.flat, chosen.items(), strict=False):
    levels = np.arange(0, 42, 2)
    shades = axis.contourf(times, omegas, counts.T, levels, cmap="viridis", extend="max")
    axis.plot(times, values, ".", color="w", ms=3, alpha=0.7)
    axis.plot(times, omegas[counts.argmin(axis=1)], color="C1", lw=1)
    axis.set(title=f"{strategy}: {taken[strategy].sum():.0f} iterations", ylabel="relaxation")
figure.colorbar(shades, ax=axes[0, 1], label="iterations of the step")
for name, costs in lines.items():
    behind = np.cumsum(costs - counts.min(axis=1))
    axes[1, 1].plot(times, behind, label=name)
axes[1, 1].set(ylabel="iterations more than the best for each step", xlabel="time")
axes[1, 0].set_xlabel("time")
axes[1, 1].legend()
plt.show()
