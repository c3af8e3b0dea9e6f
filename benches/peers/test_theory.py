"""Theory against what can be worked out by hand. Run by run.sh; alone: python3 -m unittest."""
import unittest

from theory import Node


class TheoryTest(unittest.TestCase):
    def test_one_server_waits_rho_over_one_minus_rho_services(self):
        # 10 endpoints: 40 requests/s, one server of 20 ms, rho 0.8.
        self.assertAlmostEqual(Node(10).mean_wait(), 0.8 / 0.2 * 0.020)

    def test_one_server_response_ninety_ninth_percentile(self):
        # P(wait > t) = rho exp(-(mu - lambda) t), mu - lambda = 10/s: ln 80 / 10.
        self.assertAlmostEqual(Node(10).wait_quantile(0.99), 0.4382026634673881)

    def test_four_servers_as_tabulated(self):
        # Erlang C of 4 servers and 3.2 Erlang is 0.5964.
        self.assertAlmostEqual(Node(100).mean_wait(), 5.9643e-3, places=7)
        self.assertAlmostEqual(Node(100).wait_quantile(0.99), 40.884e-3, places=6)

    def test_error_of_the_mean_wait_of_one_server_has_a_closed_form(self):
        # Asymptotic variance of the waits of M/M/1 (Daley 1968), times n.
        rho, mu = 0.8, 50.0
        variance = rho * (2 + 5 * rho - 4 * rho**2 + rho**3) / (mu**2 * (1 - rho) ** 4)
        self.assertAlmostEqual(Node(10).error_of_mean_wait(1) ** 2, variance, places=9)


if __name__ == "__main__":
    unittest.main()
