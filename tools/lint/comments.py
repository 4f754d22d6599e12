"""The contracts' comments are the API's reference: complete, and true of the codes that the services refuse with.

  comments.py DESCRIPTORS    a descriptor set of proto/ with source information (tools/lint/protos makes it)

Prints each breach as file:line: what, exits 1 on any:
- a service, RPC, enum, field, or message other than a request or answer, without a comment;
- an error code that a service or library refuses with and no comment of that service's contract names;
- an error code that a comment names and nothing refuses with.
Planted breaches show first that each of them is found.
"""

import pathlib
import re
import subprocess
import sys

from google.protobuf import descriptor_pb2

TOP = pathlib.Path(__file__).resolve().parents[2]

# Whose comments have to name the codes of a folder; anything else may be named anywhere.
CONTRACTS = {
    "services/session-orchestration/": "session",
    "services/tokenisation-vault/": "vault",
    "services/gateway-adapter/": "gateway",
    "services/media-relay/": "media",
    "services/dtmf-masking/": "masking",
}
# Codes that no caller of an RPC sees, and why. The list only shrinks.
INSIDE = {
    "schema_newer": "start-up, in the log", "schema_differs": "start-up, in the log", "memory_not_locked": "start-up, in the log",
    "arena_already_started": "start-up, in the log", "hardening_failed": "start-up, in the log", "kek_file_unusable": "start-up, in the log",
    "lease_lost": "a webhook worker's own", "attempt_taken_over": "the adapter's ledger alone", "attempt_final": "told as not_unknown",
    "card_number_invalid": "the field's problem tells it", "operation_not_found": "the orchestrator's own rows",
    "wrong_state": "the adapter's ledger alone; REST's is named",
}

CODE = r"[a-z]+(?:_[a-z]+)*"
ASSIGNED = re.compile(rf'\.code = "({CODE})"')
# A refusal by a helper: the literals that its arguments begin with are codes (a choice has two), the message follows.
CALLED = re.compile(r"\b(?:Refuse|Refused|CaptureRefusal|Precondition|NotFound|Neighbour|No)\(")
CHOSEN = re.compile(rf'\bcode = [^;?]*\? "({CODE})" : "({CODE})"')
NAMED = re.compile(rf'std::string_view k\w+ = "({CODE})"')  # of the tables of state and action
BY_STATUS = re.compile(rf'StatusCode::k\w+: return "({CODE})"')
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
QUOTED = re.compile(r'"([a-z]+(?:_[a-z]+)+)"')


def called_codes(text, start):
    """The codes of a call whose arguments begin at `start`."""
    codes = []
    for literal in LITERAL.finditer(text[start:re.compile(r"[;{]|$").search(text, start).start()]):
        if not re.fullmatch(CODE, literal[1]) or (codes and "_" not in literal[1]):
            break
        codes.append((start + literal.start(), literal[1]))
    return codes


def codes_in(path, text):
    """(line, code) of every refusal in a source file; examples in comments are none."""
    text = re.sub(r"(?m)^\s*//.*$", "", text)
    found = [(m.start(i), m[i]) for pattern in (ASSIGNED, CHOSEN, BY_STATUS) for m in pattern.finditer(text) for i in range(1, len(m.groups()) + 1)]
    if path.endswith("_state.cc"):
        found += [(m.start(1), m[1]) for m in NAMED.finditer(text)]
    for call in CALLED.finditer(text):
        found += called_codes(text, call.end())
    return sorted({(text.count("\n", 0, at) + 1, code) for at, code in found})


def names(comments, code):
    """Whether a comment names a code: quoted, or bare in a table or as a word that is no English."""
    return f'"{code}"' in comments or ("_" in code and re.search(rf"(?<![\w\"]){code}(?!\w)", comments) is not None)


def unnamed(sources, comments_of):
    """Codes that are used and not in the comments. `comments_of`: package name to all its comments."""
    everything = "\n".join(comments_of.values())
    breaches = []
    for path, text in sources.items():
        package = next((name for folder, name in CONTRACTS.items() if path.startswith(folder)), None)
        comments = comments_of.get(package, "") + comments_of.get("common", "") if package else everything
        for line, code in codes_in(path, text):
            if code not in INSIDE and not names(comments, code):
                breaches.append(f'{path}:{line}: the code "{code}" is in no comment of {f"proto/flattone/{package}" if package else "proto"}')
    return breaches


def unused(protos, sources):
    """Codes that comments name and no source has."""
    literals = {literal[1] for text in sources.values() for literal in LITERAL.finditer(text)}
    return [f'{path}:{number}: "{code}" is named here, and no source has it'
            for path, text in protos.items() for number, line in enumerate(text.splitlines(), 1) if "//" in line
            for code in QUOTED.findall(line[line.index("//"):]) if code not in literals]


def without_comment(file):
    """Declarations of a FileDescriptorProto that no comment stands before or behind."""
    said = {tuple(l.path): bool(l.leading_comments.strip() or l.trailing_comments.strip()) for l in file.source_code_info.location}
    lines = {tuple(l.path): l.span[0] + 1 for l in file.source_code_info.location}
    breaches = []

    def look(path, what):
        if not said.get(path):
            breaches.append(f"proto/{file.name}:{lines.get(path, 0)}: {what} has no comment")

    def look_into(message, path):
        if not re.search(r"(Request|Response)$", message.name):
            look(path, message.name)
        for i, field in enumerate(message.field):
            look(path + (2, i), f"{message.name}.{field.name}")
        for i, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                look_into(nested, path + (3, i))

    for i, message in enumerate(file.message_type):
        look_into(message, (4, i))
    for i, enum in enumerate(file.enum_type):
        look((5, i), enum.name)
    for i, service in enumerate(file.service):
        look((6, i), service.name)
        for m, method in enumerate(service.method):
            look((6, i, 2, m), f"{service.name}.{method.name}")
    return breaches


def planted_file():
    file = descriptor_pb2.FileDescriptorProto(name="x.proto")
    message = file.message_type.add(name="Bare")
    message.field.add(name="field")
    file.message_type.add(name="GetBareRequest").field.add(name="field")
    file.enum_type.add(name="Kind")
    file.service.add(name="Service").method.add(name="Get")
    said = message.field.add(name="said")
    file.source_code_info.location.add(path=[4, 0, 2, 1], span=[1, 1, 1], trailing_comments=f" {said.name}")
    return file


def self_test():
    wanted = {"Bare", "Bare.field", "GetBareRequest.field", "Kind", "Service", "Service.Get"}
    found = {b.split(": ")[1].split(" ")[0] for b in without_comment(planted_file())}
    problems = [] if found == wanted else [f"of the planted declarations without a comment {sorted(wanted ^ found)} were misjudged"]
    planted = {
        "services/media-relay/a.cc": 'Refusal(k, {.code = "code_one"}, "m");\nRefuse(k,\n  a ? "code_two" : "code_three", "a message", "code_four");\n'
                                     'const char* code = a ? "code_five" : "code_six";\nRefuse(503, "busy", "m");\ncase absl::StatusCode::kAborted: return "conflict";',
        "services/media-relay/b_state.cc": 'constexpr std::string_view kX = "code_seven";\nNo("code_eight");\nNotFound("code_nine", "thing");\n'
                                           '  // Refuse("code_of_an_example")\nStatus NotFound() {\n  f("no_code");',
        "services/gateway-adapter/c.cc": 'x.code = "code_ten";',
    }
    comments = {"media": '"known_code" busy busybody code_fiver "code_three"', "vault": '"code_ten"', "common": ""}
    want = ["1 one", "3 two", "4 five", "4 six", "5 busy", "6 conflict", "1 seven", "2 eight", "3 nine", "1 ten"]
    got = [re.sub(r'.*?:(\d+): the code "(?:code_)?(\w+)".*', r"\1 \2", b) for b in unnamed(planted, comments)]
    if got != want:
        problems.append(f"of the planted codes {got} were found instead of {want}")
    if len(unused({"x.proto": '// "gone_code", "held_code"\n  string x = 1;  // "past_code"'}, {"a.cc": 'f("held_code")'})) != 2:
        problems.append("a planted code that nothing refuses with was not found")
    for problem in problems:
        print(f"comments: {problem}")
    return not problems


def main():
    if not self_test():
        return 1
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(sys.argv[1]).read_bytes())
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "services", "libs", "proto"],
                            cwd=TOP, capture_output=True, text=True, check=True).stdout.split()
    files = {path: (TOP / path).read_text() for path in listed if re.search(r"\.(cc|h|proto)$", path) and (TOP / path).is_file()}
    protos = {path: text for path, text in files.items() if path.endswith(".proto")}
    sources = {path: text for path, text in files.items() if path not in protos and not re.search(r"_test\.cc$|/tests?/|/testing/|fakes\.h$|_rig", path)}
    comments_of = {}
    for path, text in protos.items():
        package = path.split("/")[2]
        comments_of[package] = comments_of.get(package, "") + "\n".join(line[line.index("//"):] for line in text.splitlines() if "//" in line) + "\n"
    breaches = [b for file in descriptors.file if file.name.startswith("flattone/") for b in without_comment(file)]
    breaches += unnamed(sources, comments_of) + unused(protos, sources)
    for breach in breaches:
        print(breach)
    if breaches:
        print(f"{len(breaches)} breaches of the contracts' comments")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
