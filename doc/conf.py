"""Sphinx configuration."""

import inspect

import skstruct

project = "skstruct"
author = "the skstruct developers"
copyright = "2026, the skstruct developers"
version = release = skstruct.__version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
html_static_path = ["_static"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}

autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/plot_",
    "doc_module": ("skstruct",),
    "backreferences_dir": "generated/backreferences",
    "download_all_examples": False,
    "show_signature": False,
}


# Docstrings that are inherited from scikit-learn refer to its glossary and user guide.
SKLEARN_LABELS = {
    "accuracy_score",
    "df_output_transform",
    "metadata_routing",
    "r2_score",
    "sphx_glr_auto_examples_miscellaneous_plot_set_output.py",
}
SKLEARN_TERMS = {"fit", "classes_"}


def _leave_as_text(app, env, node, content):
    """Show a reference into scikit-learn's documentation as plain text."""
    known = {"ref": SKLEARN_LABELS, "term": SKLEARN_TERMS}.get(node.get("reftype"), ())
    return content if node["reftarget"] in known else None


def _skip_setters_of_requests(app, what, name, obj, skip, options):
    """Leave out the metadata-routing setters that scikit-learn adds to every estimator."""
    if inspect.isroutine(obj) and name.startswith("set_") and name.endswith("_request"):
        return True
    return skip


def setup(app):
    app.connect("missing-reference", _leave_as_text)
    app.connect("autodoc-skip-member", _skip_setters_of_requests)
