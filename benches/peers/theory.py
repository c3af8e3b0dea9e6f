"""What queueing theory says of W1 with exponential services: the node is M/M/c, the rest M/M/1.

Departures of such stations are Poisson again (Burke 1956) and the latencies only shift them, so each
station can be taken by itself. Times are seconds.
"""
import math

FRAMES_PER_S = 4.0
LATENCY_S = 0.010


class Node:
    """The node of W1 and what it does to n requests."""

    def __init__(self, endpoints):
        self.servers = max(1, endpoints * 4 // 100)
        self.arrivals_s = FRAMES_PER_S * endpoints
        self.service_s = 0.8 * self.servers / self.arrivals_s
        # Erlang B by its recursion in the number of servers, then Erlang C.
        load = self.arrivals_s * self.service_s
        blocked = 1.0
        for servers in range(1, self.servers + 1):
            blocked = load * blocked / (servers + load * blocked)
        self.waits = blocked / (1 - load / self.servers * (1 - blocked))
        # Rate at which the wait of those that wait ends: c mu - lambda.
        self.slack_s = self.servers / self.service_s - self.arrivals_s

    def mean_wait(self):
        return self.waits / self.slack_s

    def wait_quantile(self, p):
        """P(wait > t) = waits * exp(-slack * t)."""
        return max(0.0, math.log(self.waits / (1 - p)) / self.slack_s)

    def mean_total(self):
        def response(mean_s):
            return mean_s / (1 - FRAMES_PER_S * mean_s)

        ends = response(0.020) + response(0.0016) + LATENCY_S + response(0.00008) + LATENCY_S
        return ends + self.mean_wait() + self.service_s

    def error_of_mean_wait(self, n):
        """Standard deviation of the mean wait of n requests, which depend on each other.

        The number of requests in the node is a birth-death process. Over a long time the sum of
        waits less its expectation grows like a martingale, whose variance per second follows from
        the solution h of Poisson's equation (Whitt 1992, "Asymptotic formulas for Markov processes
        with applications to simulation"). Each second costs the number that wait, each arrival pays
        back the mean wait. With d(i) = h(i + 1) - h(i) the equation reads
        mu(i) d(i - 1) = lambda d(i) + cost(i), which is stable from above to below.
        """
        mean, birth = self.mean_wait(), self.arrivals_s
        states = 200 * self.servers  # 0.8^(199 c) of the time is left out

        def death(i):
            return min(i, self.servers) / self.service_s

        def cost(i):
            return max(0, i - self.servers) - birth * mean

        step = [0.0] * states
        for i in range(states - 1, 0, -1):
            step[i - 1] = (birth * step[i] + cost(i)) / death(i)
        chance, total, variance_s = 1.0, 0.0, 0.0
        for i in range(states):
            downward = death(i) * step[i - 1] ** 2 if i else 0.0
            variance_s += chance * (birth * (step[i] - mean) ** 2 + downward)
            total += chance
            chance *= birth / death(i + 1)
        return math.sqrt(variance_s / total / birth / n)
