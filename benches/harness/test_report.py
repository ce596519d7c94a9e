"""Verdicts, ranks, derived figures and templates: `python3 -m unittest harness.test_report`."""
import tomllib
import unittest

from . import report, variants
from .cases import CASES
from .registry import derive, shown
from .settings import GATEWAYS, HERE


def records(case, key, **of):
    """Of each gateway, a figure for each round."""
    return [{"case": case, "gateway": gateway, "round": at, "figures": {key: value}}
            for gateway, values in of.items() for at, value in enumerate(values, 1)]


class Verdicts(unittest.TestCase):
    def verdict(self, goal, **of):
        found = report.by_round(records("h1_max", "x", **of), "h1_max", "x")
        return report.verdict(goal, found)[1]

    def test_a_goal_is_met_only_if_every_round_meets_it(self):
        goal = {"nginx": 0.8}
        self.assertEqual(self.verdict(goal, nginx=[10, 10], ianitor=[7, 8]), "met")
        self.assertEqual(self.verdict(goal, nginx=[10, 10], ianitor=[7, 9]), "within noise")
        self.assertEqual(self.verdict(goal, nginx=[10, 10], ianitor=[9, 10]), "missed")

    def test_ratios_are_taken_within_rounds(self):
        self.assertEqual(self.verdict({"nginx": 0.8}, nginx=[10, 100], ianitor=[8, 80]), "met")

    def test_absolute_goals_need_no_other_gateway(self):
        self.assertEqual(self.verdict({"most": 20}, ianitor=[19, 20]), "met")
        self.assertEqual(self.verdict({"least": 1000}, ianitor=[1000, 1000]), "met")
        self.assertEqual(self.verdict({"least": 1000}, ianitor=[0, 10]), "missed")

    def test_a_goal_without_a_figure_has_no_verdict(self):
        self.assertEqual(self.verdict({"most": 20}, nginx=[1]), "")
        self.assertEqual(self.verdict({"nginx": 0.8}, ianitor=[1]), "-")


class Ranks(unittest.TestCase):
    def rank(self, is_larger_better=False, **of):
        found = report.by_round(records("h1_max", "x", before=[1], **of), "h1_max", "x")
        return report.rank(found, is_larger_better)

    def test_the_best_of_the_others_counts(self):
        said = self.rank(nginx=[10, 10], haproxy=[8, 8], direct=[1, 1], ianitor=[9, 9])
        self.assertEqual(said, "1.12 x haproxy: behind")

    def test_ahead_is_ahead_in_every_round(self):
        self.assertEqual(self.rank(nginx=[10, 10], ianitor=[9, 8]), "0.85 x nginx: ahead")
        self.assertEqual(self.rank(nginx=[10, 10], ianitor=[9, 11]), "1.00 x nginx: level")
        self.assertEqual(self.rank(True, nginx=[10], ianitor=[11]), "1.10 x nginx: ahead")

    def test_figures_of_zero_are_compared_as_they_are(self):
        self.assertEqual(self.rank(nginx=[0], ianitor=[0]), "nginx: level")
        self.assertEqual(self.rank(nginx=[0], ianitor=[3]), "nginx: behind")


class Tables(unittest.TestCase):
    def test_what_is_derived_is_of_one_round_and_one_gateway(self):
        found = (records("jwt_off", "cpu_us_per", haproxy=[20, 30], ianitor=[10, 12])
                 + records("jwt_hs256", "cpu_us_per", haproxy=[25, 36], ianitor=[11, 14]))
        derive(found)
        added = report.by_round(found, "jwt_hs256", "added_us")
        self.assertEqual(added, {"haproxy": {1: 5, 2: 6}, "ianitor": {1: 1, 2: 2}})

    def test_a_row_has_the_spread_of_its_rounds(self):
        found = records("h1_max", "cpu_us_per", nginx=[10, 20, 40], ianitor=[5, 20, 60])
        row = report.table(found, ["nginx", "ianitor"], "nginx").splitlines()[2]
        self.assertIn("20.0 (10.0-40.0)", row)
        self.assertIn("1.00 x (0.50-1.50)", row)

    def test_each_goal_is_one_of_a_figure_that_is_shown(self):
        goals = tomllib.loads((HERE / "goals.toml").read_text())
        for case, figures in goals.items():
            self.assertIn(case, CASES)
            self.assertLessEqual(set(figures), {key for key, _ in shown(case)}, case)


class Templates(unittest.TestCase):
    def test_parts_are_those_of_the_variant_and_repeated(self):
        parts = {"LOG": {"log": "on", "default": "off"}, "ROUTES": {"routes": "/{{N}}/{{UP}} "}}
        fill = lambda variant: variants.fill("{{LOG}} {{ROUTES}}", {"UP": 1}, parts, variant)
        self.assertEqual(fill(""), "off ")
        self.assertEqual(fill("log"), "on ")
        self.assertTrue(fill("routes").startswith("off /0/1 /1/1 /2/1 "))

    def test_networks_differ_and_are_not_adjacent(self):
        networks = [variants.network(n) for n in range(10000)]
        self.assertEqual(len(set(networks)), 10000)
        self.assertTrue(all(int(n.split(".")[2]) % 2 == 0 for n in networks))
        self.assertTrue(all(int(n.split(".")[1]) < 256 for n in networks))

    def test_each_variant_of_a_part_is_one_of_a_case(self):
        known = {case.variant for case in CASES.values()} | {"default"}
        for about in GATEWAYS.glob("*.toml"):
            for part in tomllib.loads(about.read_text()).get("parts", {}).values():
                self.assertLessEqual(set(part), known, about.name)


if __name__ == "__main__":
    unittest.main()
