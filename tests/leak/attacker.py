"""The attacker: learns from four fifths of a row's keys what they look like, names the keys of the last fifth, five times over.

Rows and columns of the keypad are learnt apart, each by two learners (linear discriminant with shrinkage, and boosted trees) whose
opinions are averaged: every key then has a quarter of the material as its teacher instead of a sixteenth.
"""

import dataclasses
import warnings

import lightgbm
import numpy as np
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

FOLDS = 5
TREES = {"objective": "multiclass", "num_class": 4, "num_leaves": 8, "learning_rate": 0.12, "min_data_in_leaf": 15, "feature_fraction": 0.2,
         "bagging_fraction": 0.8, "bagging_freq": 1, "max_bin": 31, "num_threads": 1, "verbose": -1, "seed": 7, "deterministic": True,
         "force_row_wise": True}
ROUNDS = 40


@dataclasses.dataclass
class Verdict:
    keys: int
    recovered: int
    chance: float

    @property
    def rate(self):
        return self.recovered / self.keys

    @property
    def p_value(self):
        """Exact, one-sided: so many or more by guessing."""
        return float(stats.binom.sf(self.recovered - 1, self.keys, self.chance))

    @property
    def upper95(self):
        """Clopper-Pearson: the rate below which this few are found once in twenty."""
        if self.recovered >= self.keys:
            return 1.0
        return float(stats.beta.ppf(0.95, self.recovered + 1, self.keys - self.recovered))


def _opinions(train, labels, test):
    scaler = StandardScaler().fit(train)
    near, far = scaler.transform(train), np.clip(scaler.transform(test), -20, 20)
    linear = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1, priors=np.full(4, 0.25)).fit(near, labels).predict_log_proba(far)
    trees = lightgbm.train(TREES, lightgbm.Dataset(train, labels), ROUNDS).predict(test)
    return np.maximum(linear, -7) + np.log(np.maximum(trees, 1e-3))


def guesses(table, keys, seed=1):
    """For each key the attacker's guess, made without having seen it."""
    fold = np.random.default_rng(seed).permutation(len(keys)) % FOLDS
    named = np.zeros(len(keys), int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for f in range(FOLDS):
            test = fold == f
            row = _opinions(table[~test], keys[~test] // 4, table[test]).argmax(1)
            column = _opinions(table[~test], keys[~test] % 4, table[test]).argmax(1)
            named[test] = row * 4 + column
    return named


def attack(table, keys):
    return Verdict(len(keys), int((guesses(table, keys) == keys).sum()), 1 / 16)


def holm(p_values, alpha=0.05):
    """Which of the tests reject, family-wise at alpha."""
    order = np.argsort(p_values)
    rejected = np.zeros(len(p_values), bool)
    for rank, i in enumerate(order):
        if p_values[i] > alpha / (len(p_values) - rank):
            break
        rejected[i] = True
    return rejected
