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

PREFIXES = ("openai/", "anthropic/", "models/", "azure/")
"""Words before a model's name that say nothing about its price. `models/` is Google's."""

VARIANT = re.compile(
    r"(?:-latest|-preview|-exp|-experimental"
    r"|[-@]\d{8}|-\d{4}-\d\d-\d\d|-\d\d-\d\d(?:\d\d)?|-\d{3,4}"  # a date, a month and year, a revision
    r"|-v\d+|:\d+k?|@\d+|@default|@latest)*"  # versions at Amazon and Google
)
"""What may follow a model's name in a list without making it another model. `-fast` or `-mini` is another model."""

PATH = re.compile(r"(?:.*/)?(?:[a-z]{2,6}(?:-gov)?\.)?(?:[a-z0-9]+\.)?")
"""What may precede it: the path of a resource, a geography, the vendor. `my-` or `omni-` is another model."""

_COMPACT = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])([0-3]\d)(?=$|[-:])")


def spellings(model: str) -> Iterator[str]:
    """The ways in which a price list may write `model`, in the order in which to look: as given first."""
    name = model.lower()
    yield name
    for prefix in PREFIXES:
        if name.startswith(prefix):
            yield name[len(prefix) :]
    if _COMPACT.search(name):
        yield from spellings(_COMPACT.sub(r"-\1-\2-\3", name))
