"""Names: which price list belongs to a provider, and which other spellings a model's name has there.

Rules are exact. A name that no rule knows has no price, since a guess would be a wrong price that looks right.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LISTS = {
    # OpenTelemetry's `gen_ai.provider.name`, where genai-prices has another word for it.
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "aws",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "x_ai": "x-ai",
    # Servers that are known by their host.
    "api.anthropic.com": "anthropic",
    "api.cerebras.ai": "cerebras",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "api.githubcopilot.com": "github-copilot",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.moonshot.ai": "moonshotai",
    "api.moonshot.cn": "moonshotai",
    "api.novita.ai": "novita",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.together.ai": "together",
    "api.together.xyz": "together",
    "api.voyageai.com": "voyageai",
    "api.x.ai": "x-ai",
    "api.z.ai": "zai",
    "generativelanguage.googleapis.com": "google",
    "inference.baseten.co": "baseten",
    "open.bigmodel.cn": "zhipuai",
    "openrouter.ai": "openrouter",
}
"""Provider name, as spans have it, to the id of its price list. A name that is not here is that id itself."""

PREFIXES = {
    "anthropic": ("anthropic/",),
    "aws": ("bedrock/", "bedrock/converse/", "bedrock/invoke/"),
    "azure": ("azure/", "azure_ai/", "openai/"),
    "google": ("models/", "google/", "gemini/", "vertex_ai/"),
    "openai": ("openai/", "azure/", "models/"),
    "x-ai": ("xai/", "x-ai/"),
}
"""Words before a model's name that repeat whose it is, by price list; any list's own id may stand there, too."""

MAKERS = (
    "anthropic",
    "arcee",
    "cohere",
    "deepseek",
    "elevenlabs",
    "google",
    "meta",
    "minimax",
    "mistral",
    "moonshotai",
    "openai",
    "perplexity",
    "voyageai",
    "x-ai",
    "zai",
    "zhipuai",
)
"""Price lists of those who sell models of their own: where a model belongs whose provider nobody named."""

RESOURCES = {
    "aws": re.compile(r"arn:aws[a-z-]*:bedrock:[a-z0-9-]*:\d*:(?:foundation-model|inference-profile)/"),
    "google": re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?publishers/[a-z0-9-]+/models/"),
}
"""Full names of resources that end in a model's name, by price list. Other resources have names of their own."""

_DATE = r"(?:[-@]20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|-20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))"

_VARIANTS = {
    # OpenAI's early snapshots have month and day, and the list ends some names within a date.
    "openai": rf"(?:-preview)?(?:{_DATE}|-(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])|:20\d{{6}}-v\d)?",
    "anthropic": rf"(?:{_DATE}|-latest|@default|-v\d@20\d{{6}})?",
    "aws": rf"{_DATE}?(?:-v?[1-9])?(?::\d)?(?::\d+k)?",
    "google": rf"(?:-preview|-exp)?(?:{_DATE}|-latest|-00\d|-\d\d-\d\d(?:\d\d)?|@(?:default|latest|00\d))?",
    "mistral": r"(?:-latest|-2\d(?:0[1-9]|1[0-2]))?",
    "moonshotai": r"(?:-preview|-latest)?",
}

_VARIANT = {name: re.compile(pattern) for name, pattern in _VARIANTS.items()}
_DATED = re.compile(f"{_DATE}?")

_PATH = {
    "aws": re.compile(r"(?:(?:us|us-gov|eu|apac|jp|au|ca|in|global)\.)?(?:(?:amazon|anthropic)\.)?"),
}
_COMPACT = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])([0-3]\d)(?=$|[-:])")
_SNAPSHOT = re.compile(r"-00\d$")
_VERSION = re.compile(r"\d(?![\db])")


def spellings(model: str, listed: str) -> Iterator[str]:
    """The ways in which the price list `listed` may write `model`, in the order in which to look: as given first."""
    name = model.lower()
    yield name
    bare = name
    if (resource := RESOURCES.get(listed)) and (found := resource.match(name)):
        bare = name[found.end() :]
    else:
        fitting = [prefix for prefix in (*PREFIXES.get(listed, ()), f"{listed}/") if name.startswith(prefix)]
        bare = name[len(max(fitting, key=len)) :] if fitting else name
    if listed == "azure" and bare.startswith("gpt-35-"):  # Azure's names have no dots
        bare = bare.replace("gpt-35-", "gpt-3.5-", 1)
    if listed in {"openai", "azure"} and bare.startswith("computer-use-preview"):
        bare = bare.replace("-preview", "", 1)
    if bare != name:
        yield bare
    if listed in {"openai", "azure"} and _COMPACT.search(bare):
        yield _COMPACT.sub(r"-\1-\2-\3", bare)
    if listed == "google" and bare.startswith("gemini-") and _SNAPSHOT.search(bare):
        yield _SNAPSHOT.sub("", bare)


def surrounds(listed: str, before: str, after: str) -> bool:
    """Whether `before` and `after` a model's name in the price list `listed` leave it the same model.

    Before it: nothing, or Amazon's geography and vendor. After it: nothing, or the marks of a snapshot or version that
    this provider uses. `my-` or `omni-` before a name makes another model, and so does `-fast` or `-mini` after it.
    """
    if before and not (listed in _PATH and _PATH[listed].fullmatch(before)):
        return False
    return not after or bool(_VARIANT.get(listed, _DATED).fullmatch(after))


def moves(model: str) -> bool:
    """Whether `model` is an alias that names no version, so that it means another model from time to time.

    A price list knows what it means today. `claude-3-5-haiku-latest` stays within its version, `mistral-large-latest`
    does not; the `8b` of `ministral-8b-latest` is no version.
    """
    return model.endswith("-latest") and not _VERSION.search(model)
