"""What `make bench-count` says of counts, and how it reads callgrind: run before each counting."""
import tomllib
import unittest

import callgrind
import compare

HERE = {"rustc": "1.95.0", "target": "x86_64", "libc": "2.36", "cpu": "x86-64-v3"}


def counts(own=10_000, libc=2_000, crypto=3_000, **functions):
    return {"own": own, "libc": libc, "crypto": crypto, "functions": functions}


def judge(old, new, environment=HERE, **more):
    return compare.judge({"environment": HERE, "cases": old}, environment, new, {"loose": 0.1}, **more)


class Judgement(unittest.TestCase):
    def test_a_count_that_is_4_percent_up_is_an_error_that_names_case_and_function(self):
        verdict = judge({"get": counts(parse=500, route=800)}, {"get": counts(10_400, parse=900, route=800)})
        self.assertIn("get: 10,400 instructions (own), recorded are 10,000 (+4.0%", verdict.errors["get"])
        self.assertIn("+400 parse", verdict.errors["get"])
        self.assertNotIn("route", verdict.errors["get"])

    def test_cryptography_that_grows_is_an_error_of_the_sum(self):
        verdict = judge({"get": counts()}, {"get": counts(crypto=4_000)})
        self.assertIn("16,000 instructions (in all), recorded are 15,000", verdict.errors["get"])

    def test_a_count_that_is_2_percent_up_is_nothing(self):
        verdict = judge({"get": counts()}, {"get": counts(10_200)})
        self.assertEqual((verdict.errors, verdict.notes), ({}, []))

    def test_a_case_may_have_a_wider_tolerance(self):
        self.assertEqual(judge({"loose": counts()}, {"loose": counts(10_900)}).errors, {})
        self.assertIn("loose", judge({"loose": counts()}, {"loose": counts(11_100)}).errors)

    def test_a_count_that_is_4_percent_down_is_a_hint_to_record(self):
        verdict = judge({"get": counts()}, {"get": counts(9_600)})
        self.assertEqual(verdict.errors, {})
        self.assertIn("get: 9,600", verdict.notes[0])
        self.assertIn("RECORD=1", verdict.notes[0])

    def test_a_recorded_case_that_was_not_counted_is_an_error(self):
        verdict = judge({"get": counts(), "post": counts()}, {"get": counts()})
        self.assertEqual(list(verdict.errors), ["post"])

    def test_cases_that_were_not_asked_for_are_not_missing(self):
        self.assertEqual(judge({"get": counts(), "post": counts()}, {"get": counts()}, every_case=False).errors, {})

    def test_a_case_that_is_not_recorded_is_an_error(self):
        self.assertIn("not recorded", judge({}, {"new": counts()}).errors["new"])

    def test_with_another_cpu_only_own_code_is_compared(self):
        elsewhere = HERE | {"cpu": "x86-64-v2"}
        verdict = judge({"get": counts()}, {"get": counts(crypto=9_000)}, elsewhere)
        self.assertEqual(verdict.errors, {})
        self.assertIn("cpu is x86-64-v2 here, x86-64-v3 in the record: only own is compared", verdict.notes[0])
        self.assertIn("get", judge({"get": counts()}, {"get": counts(10_400)}, elsewhere).errors)

    def test_with_another_compiler_no_growth_is_an_error(self):
        verdict = judge({"get": counts()}, {"get": counts(20_000)}, HERE | {"rustc": "1.96.0"})
        self.assertEqual(verdict.errors, {})
        self.assertIn("rustc is 1.96.0 here", verdict.notes[0])

    def test_a_record_is_read_as_it_was_written(self):
        record = {"environment": HERE, "cases": {"get": counts(**{'odd "name" \\ ü': 7})}}
        self.assertEqual(tomllib.loads(compare.text_of(record)), record)


DUMP = """\
version: 1
positions: line
events: Ir

ob=(1) /opt/ianitor
fl=(1) src/serve/stack.rs
fn=(1) ianitor::serve::stack::call
0 100
cob=(2) /usr/lib/x86_64-linux-gnu/libc.so.6
cfi=(2) ./string/memcpy.S
cfn=(2) __memcpy_avx
calls=3 0
0 60
0 7

ob=(2)
fl=(2)
fn=(2)
0 60

ob=(1)
fl=(3) ???
fn=(3) aws_lc_0_47_0_sha256
0 40

totals: 207
"""


class Reading(unittest.TestCase):
    def test_instructions_belong_to_the_function_that_executes_them(self):
        found = callgrind.read(DUMP.splitlines())
        self.assertEqual(found.functions,
                         {"ianitor::serve::stack::call": 107, "__memcpy_avx": 60, "aws_lc_sha256": 40})
        self.assertEqual(found.parts, {"own": 107, "libc": 60, "crypto": 40})

    def test_what_an_idle_gateway_does_is_subtracted_by_time(self):
        found, idle = callgrind.read(DUMP.splitlines()), callgrind.Profile()
        idle.add("/opt/ianitor", "", "tick", 20)
        found.seconds, idle.seconds = 3.0, 2.0
        found.subtract(idle)
        self.assertEqual((found.parts["own"], found.functions["tick"]), (77, -30))

    def test_names_are_without_type_parameters_and_hashes(self):
        for name, expected in {
            "http::header::map::HeaderMap<T>::insert": "http::header::map::HeaderMap::insert",
            "<a::B<C> as d::E<F>>::poll::h0123456789abcdef": "a::B::poll",
            "a::b::{{closure}}": "a::b",
            "<a::F as core::ops::function::Fn() -> B>::call": "a::F::call",
            "poll'2": "poll",
            "aws_lc_0_47_0_sha256": "aws_lc_sha256",
        }.items():
            self.assertEqual(callgrind.short(name), expected)


if __name__ == "__main__":
    unittest.main()
