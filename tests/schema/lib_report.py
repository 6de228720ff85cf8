"""What the tests of the schema say and need."""
import sys


def say(name, tests):
    """tests: [(name, ok)]; the lines that tools/run-tests counts."""
    failed = [n for n, ok in tests if not ok]
    print("[==========] %s: %d test(s) run." % (name, len(tests)))
    print("[  PASSED  ] %d test(s)." % (len(tests) - len(failed)))
    for n in failed:
        print("[  FAILED  ] " + n)
    return 1 if failed else 0


def validator(name):
    """jsonschema and its validator; where it is not there, the test is skipped."""
    try:
        import jsonschema
        return jsonschema, jsonschema.Draft202012Validator
    except (ImportError, AttributeError):
        print("the tests of the schema want python3-jsonschema 4.0 or later, which is not there")
        print("[==========] %s: 1 test(s) run." % name)
        print("[  PASSED  ] 0 test(s).")
        print("[  SKIPPED ] 1 test(s), listed below:")
        sys.exit(0)
