"""Is the docstring of a class complete?"""

import inspect
import re

SECTIONS = ("Parameters", "Attributes", "See Also", "Notes", "References", "Examples")


def sections(obj):
    """Return {title: text} of the numpydoc sections of a docstring."""
    doc = inspect.getdoc(obj) or ""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", doc, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def named(text):
    """Return the names that a section of parameters or attributes defines."""
    entries = re.findall(r"^(\*{0,2}\w[\w, *]*?)\s*(?::|$)", text, flags=re.MULTILINE)
    return {name.strip(" *") for entry in entries for name in entry.split(",")}


def parameters(function):
    """Return the names of the parameters of a function or of the constructor of a class."""
    known = inspect.signature(function).parameters.values()
    return [p.name for p in known if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]


def public_methods(cls):
    """Return [(name, method)] of what the class and its parents outside scikit-learn define."""
    own = [base for base in cls.__mro__ if base.__module__.split(".")[0] != "sklearn"]
    names = {name for base in own for name in vars(base) if not name.startswith("_")}
    methods = [(name, getattr(cls, name, None)) for name in sorted(names)]
    return [(name, method) for name, method in methods if inspect.isroutine(method)]


def undescribed(cls):
    """Return the parameters that the docstring of a class omits, and methods without any."""
    unsaid = set(parameters(cls)) - named(sections(cls).get("Parameters", ""))
    lacking = [f"parameter {name!r} not described" for name in sorted(unsaid)]
    silent = [name for name, method in public_methods(cls) if not inspect.getdoc(method)]
    return lacking + [f"method {name!r} has no docstring" for name in silent]


def incomplete(cls, fitted=None):
    """Return what the docstring of an estimator, and those of its methods, leave unsaid."""
    found = sections(cls)
    lacking = [f"no section {title!r}" for title in SECTIONS if title not in found]
    lacking += undescribed(cls)
    if fitted is not None:
        attributes = {n for n in vars(fitted) if n.endswith("_") and not n.startswith("_")}
        attributes |= {
            name
            for name, value in inspect.getmembers(cls)
            if name.endswith("_") and not name.startswith("_") and isinstance(value, property)
        }
        # scikit-learn remembers the names of the columns only of a data frame.
        unsaid = attributes - named(found.get("Attributes", "")) - {"feature_names_in_"}
        lacking += [f"attribute {name!r} not described" for name in sorted(unsaid)]
    if ">>>" not in found.get("Examples", ">>>"):
        lacking.append("no doctest in the section 'Examples'")
    for name, method in public_methods(cls):
        described = named(sections(method).get("Parameters", "")) | {"self"}
        unsaid = set(parameters(method)) - described if inspect.getdoc(method) else ()
        lacking += [f"parameter {p!r} of method {name!r} not described" for p in sorted(unsaid)]
    return lacking
