"""House rules that a compiler does not check. Prints each breach as file:line: rule, exits 1 on any.

The allow-lists only shrink: a new entry needs a reason in the review. `--self-test` shows that each rule
finds a planted breach.
"""

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]

# rule name, files it looks at, pattern, files that may
RULES = [
    ("assert() on input; use libs/base/check.h", r"\.(cc|h)$", r"(?<![_\w])assert\(", ()),
    ("exceptions stay at the seam: throw", r"^(libs|services)/.*(?<!_test)\.(cc|h)$", r"^[^/\n]*\bthrow\b(?!\s*;)", ()),
    ("sleeping in a unit test", r"_test\.cc$", r"sleep_for|usleep\(|absl::SleepFor", ()),
    ("clock read outside libs/base", r"^(libs|services)/.*(?<!_test)(?<!_bench)\.(cc|h)$",
     r"system_clock::now|absl::Now\(\)|clock_gettime|gettimeofday", ("libs/base/clock.cc",)),
    ("randomness outside libs/base", r"^(libs|services)/.*(?<!_test)\.(cc|h)$",
     r"std::random_device|std::mt19937|absl::BitGen|\brand\(\)", ()),
    ("std::cout in a library or service", r"^(libs|services)/.*(?<!_test)(?<!_bench)\.(cc|h)$", r"std::cout", ("services/session-orchestration/openapi_main.cc",)),
    ("clear card text revealed outside the card zone", r"^(libs/(?!secret/|crypto/|card/)|services/(?!tokenisation-vault/|gateway-adapter/|dtmf-masking/)).*\.(cc|h)$",
     # Signing secrets of webhooks are secrets, but no card data.
     r"\bReveal\(", ("services/session-orchestration/webhook/signature.cc",)),
    ("a path or registry of one machine", r".*", r"(?<![\w.])/(home|root|Users)/\w|https?://(registry|proxy|deb|pypi|index)[.]", ("tools/lint/house_rules.py",)),
    ("unfinished work", r"\.(cc|h|py|sh|proto)$", r"\b(TODO|FIXME|XXX)\b(?!\")", ("tools/lint/house_rules.py",)),
]
# A long run of digits that passes Luhn may stand only where test cards belong.
PAN_FILES = re.compile(r"(^libs/card/|^libs/crypto/|^tools/sandbox-psp/|^services/gateway-adapter/|_test\.cc$|^tests/|\.json$|\.pb$|\.csv$)")
DIGITS = re.compile(r"(?<![\w.])(?:\d[ -]?){12,18}\d(?![\w.])")


def luhn(digits):
    total = 0
    for i, c in enumerate(reversed(digits)):
        d = int(c)
        if i % 2:
            d = d * 2 - 9 if d > 4 else d * 2
        total += d
    return total % 10 == 0


def breaches(path, text):
    found = []
    lines = text.splitlines()
    for name, files, pattern, allowed in RULES:
        if re.search(files, path) and path not in allowed:
            for number, line in enumerate(lines, 1):
                if re.search(pattern, line) and "lint: allow" not in line:
                    found.append((number, name))
    if not PAN_FILES.search(path):
        for number, line in enumerate(lines, 1):
            for match in DIGITS.finditer(line):
                digits = re.sub(r"\D", "", match.group())
                # Card numbers begin with 2 to 6; time stamps in nanoseconds and round numbers do not count.
                if digits[0] in "23456" and luhn(digits) and len(set(digits)) > 2:
                    found.append((number, "looks like a card number"))
    return found


def self_test():
    number = "4" + "0" * 5 + "123456789"
    number += next(str(d) for d in range(10) if luhn(number + str(d)))
    planted = {
        "libs/x/a.cc": ["assert(x);", "throw 1;", "absl::Now();", "std::random_device d;", "std::cout << 1;",
                        "x.Reveal(y);", "// " + "TO" + "DO later", f'"{number}"'],
        "libs/x/a_test.cc": ["sleep_for(1ms);"],
    }
    missing = [line for path, texts in planted.items() for line in texts if not breaches(path, line)]
    for line in missing:
        print(f"house rules: a planted breach was not found: {line}")
    return not missing


def main():
    if not self_test():
        return 1
    files = subprocess.run(["git", "ls-files"], cwd=TOP, capture_output=True, text=True, check=True).stdout.split("\n")
    count = 0
    for path in filter(None, files):
        file = TOP / path
        if file.suffix not in {".cc", ".h", ".py", ".sh", ".proto", ".md", ".txt", ".cmake", ".json", ""} or not file.is_file():
            continue
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        for number, rule in breaches(path, text):
            print(f"{path}:{number}: {rule}")
            count += 1
    if count:
        print(f"{count} breaches of the house rules")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
