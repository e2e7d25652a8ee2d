# Every target makes the environment it needs in .venv; nothing else has to be installed but Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python

.PHONY: help demo rag docs notebooks test check fuzz mutants bench compare ray faults record live interop soak audit emulator clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/demo: pyproject.toml llama_index_aki/_shim.py | $(BIN)/uv
	$(UV) --editable '.[all]' --group demo
	@touch $@

$(VENV)/dev: pyproject.toml llama_index_aki/_shim.py | $(BIN)/uv
	$(UV) --editable '.[all]' --group dev
	@touch $@

demo: $(VENV)/demo  ## LangChain and LlamaIndex on the local emulator, or on AKI.IO when AKI_API_KEY is set
	@$(BIN)/python notebooks/demo.py

$(VENV)/notebooks: pyproject.toml llama_index_aki/_shim.py | $(BIN)/uv
	$(UV) --editable '.[all]' --group notebooks
	@touch $@

rag: $(VENV)/notebooks  ## questions with known answers, asked of the same pages through both frameworks
	@$(BIN)/python notebooks/rag_evaluation.py

DOCS := $(VENV)/docs

$(DOCS)/made: pyproject.toml | $(BIN)/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(DOCS)
	$(BIN)/uv pip install --quiet --python $(DOCS)/bin/python --group docs
	@touch $@

docs: $(DOCS)/made  ## the documentation as a site in dist/site; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet --strict

notebooks: $(VENV)/notebooks  ## run the notebooks on the local emulator and keep their outputs
	@$(BIN)/python notebooks/run_notebooks.py

# Three at once on any machine: some tests wait, and each process imports both frameworks and collects all tests. With
# the variable set, each would rewrite all files. A file is one process's, for what its tests share is made once a file;
# files are handed out in their own order, as the ones with most tests are not those that take longest.
test: $(VENV)/dev  ## all tests, offline
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

# The last two without our own configuration: programs on both frameworks, as their authors' checkers read them.
check: $(VENV)/dev  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --strict --config-file= --follow-imports=silent --cache-dir=.mypy_cache/users tests/tools/typing
	$(BIN)/pyright --pythonpath $(BIN)/python tests/tools/typing

$(VENV)/fuzz: pyproject.toml $(VENV)/dev
	$(UV) --editable '.[all]' --group dev --group fuzz
	@touch $@

fuzz: $(VENV)/fuzz  ## every parser under a coverage-guided fuzzer, half an hour; ARGS='--only stream --inputs 10000'
	@$(BIN)/python -m tests.tools.fuzz $(ARGS)

mutants: $(VENV)/dev  ## changes in modules that no test notices; ARGS=aki_transport/auth.py, else the listed ones
	@$(BIN)/python -m tests.tools.mutants $(ARGS)

# OpenAILike needs openai before 3, ChatOpenAI needs 3: they cannot be in one environment.
PEERS := $(VENV)/llama-index-peers

$(PEERS)/made: pyproject.toml | $(BIN)/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(PEERS)
	$(BIN)/uv pip install --quiet --python $(PEERS)/bin/python --editable '.[llama-index,aiohttp]' --group bench-llama-index
	@touch $@

MISTRAL := $(VENV)/mistral-peer

$(MISTRAL)/made: pyproject.toml | $(BIN)/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(MISTRAL)
	$(BIN)/uv pip install --quiet --python $(MISTRAL)/bin/python --group bench-mistral
	@touch $@

OPENAI_2 := $(VENV)/openai-2-peer

$(OPENAI_2)/made: pyproject.toml | $(BIN)/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(OPENAI_2)
	$(BIN)/uv pip install --quiet --python $(OPENAI_2)/bin/python --group bench-openai-2
	@touch $@

# Ours before httpx carried every call, from the repository's own history.
BEFORE := $(VENV)/before

$(BEFORE)/made: | $(BIN)/uv
	test -d $(BEFORE) || git worktree add --quiet --detach $(BEFORE) 3ab8fd6
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(BEFORE)/.venv
	$(BIN)/uv pip install --quiet --python $(BEFORE)/.venv/bin/python --editable '$(BEFORE)[langchain,llama-index]'
	@touch $@

bench: $(VENV)/dev $(PEERS)/made $(MISTRAL)/made $(OPENAI_2)/made $(if $(findstring --before,$(ARGS)),$(BEFORE)/made)  ## CPU per call beside the peers, and how it grows; ARGS='--before --plot docs/cost_growth.png'
	$(BIN)/python -m pytest -q tests/tools/benchmarks/test_aims.py
	$(BIN)/python -m tests.tools.benchmarks $(ARGS)

compare: $(VENV)/dev $(PEERS)/made  ## what the generic clients give in the same scenes, beside ours
	@$(BIN)/python -m pytest -q tests/tools/comparison/test_page.py
	@$(BIN)/python -m tests.tools.comparison $(ARGS)

faults: $(VENV)/dev  ## what comes of each fault of a connection or an answer, counted
	@$(BIN)/python -m tests.tools.faults $(ARGS)

RAY := $(VENV)/ray

$(RAY)/made: pyproject.toml | $(BIN)/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(RAY)
	$(BIN)/uv pip install --quiet --python $(RAY)/bin/python --editable '.[langchain,llama-index]' --group ray
	@touch $@

# The checks first, which fail where a row is lost; then the figures.
ray: $(VENV)/dev $(RAY)/made  ## rows on Ray Data, a worker killed in the middle: none lost; then the speed of one and two actors
	@$(BIN)/python -m pytest -q tests/tools/at_scale/on_ray.py
	@$(BIN)/python -m tests.tools.at_scale $(ARGS)

record: $(VENV)/dev  ## make the cassettes anew: from the services whose keys are set, else from the emulator
	@$(BIN)/python -m tests.tools.recording $(ARGS)

live: $(VENV)/dev  ## what is assumed of the services beside what they do; asks before it costs; ARGS=--emulator to try
	@$(BIN)/python -m tests.tools.live $(ARGS)

interop: $(VENV)/dev  ## both frameworks on llama.cpp's server and LiteLLM's proxy; URL=http://localhost:8000/v1 for one that runs
	@$(BIN)/python -m tests.tools.interop $(if $(URL),--url $(URL)) $(ARGS)

# Without --strict, packages of which the service knows nothing pass. Our own is left out: only its dependencies are asked.
audit: $(BIN)/uv  ## known vulnerabilities of all that the wheel brings; offline, then asks PyPI's service
	rm -rf $(VENV)/audit
	$(BIN)/uv build --quiet --wheel --out-dir $(VENV)/audit
	$(BIN)/uv venv --quiet --python $(BIN)/python $(VENV)/audit/clean
	$(BIN)/uv pip install --quiet --python $(VENV)/audit/clean/bin/python "$$(echo $(VENV)/audit/*.whl)[all]"
	$(BIN)/uv pip freeze --quiet --python $(VENV)/audit/clean/bin/python | grep -v '^aki-integrations' > $(VENV)/audit/all.txt
	$(BIN)/uv run --quiet --no-project --python $(BIN)/python --with safety-db --with packaging \
	    python -m tests.tools.advisories $(VENV)/audit/all.txt
	$(BIN)/uv tool run --quiet pip-audit --strict --no-deps --disable-pip --requirement $(VENV)/audit/all.txt $(ARGS)

soak: $(VENV)/dev  ## thousands of streams at once, ten minutes of mixed traffic with faults; ARGS=--help
	@$(BIN)/python -m pytest -q tests/tools/soak/test_verdicts.py
	@$(BIN)/python -m tests.tools.soak $(ARGS)

emulator: $(VENV)/demo  ## a local stand-in for the services on port 8089
	$(BIN)/python -m aki_transport.emulator --port 8089

clean:  ## remove the environment and what was built
	rm -rf $(VENV) dist
	-git worktree prune
