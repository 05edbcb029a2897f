"""Which words the outputs of a language model depend on: in float64, one word changed at a time."""

import pytest

torch = pytest.importorskip("torch")

from go_gym.catalogue.zoo import bert, gpt2, llama, mamba, moe, transformer_xl  # noqa: E402
from tests.numeric import along  # noqa: E402

pytestmark = pytest.mark.numeric
VOCABULARY, WORDS, LAYERS = 19, 6, 2
MODELS = {
    "gpt2": (gpt2, gpt2.Settings(LAYERS, 16, 2, VOCABULARY, WORDS, 1)),
    "llama": (llama, llama.Settings(1, LAYERS, 16, 2, 24, VOCABULARY, WORDS)),
    "mamba": (mamba, mamba.Settings(LAYERS, 16, 2, 4, 4, VOCABULARY, WORDS, 1)),
    # room for all words at every expert: where there is none, later words may take it
    "moe": (moe, moe.Settings(LAYERS, 4, 16, 2, VOCABULARY, WORDS, 1, capacity_factor=4.0)),
    "transformer-xl": (
        transformer_xl,
        transformer_xl.Settings(LAYERS, 16, 2, 24, VOCABULARY, WORDS // 2, 2, 1),
    ),
    "bert": (bert, bert.Settings(LAYERS, 16, 2, VOCABULARY, WORDS, WORDS, 1)),
}
HEADS = {"transformer-xl": "softmax"}


def exact(name):
    """The model in float64, and its words."""
    torch.manual_seed(0)
    module, settings = MODELS[name]
    model = module.build(settings).double()
    if name == "transformer-xl":
        model.sinusoids.register_forward_hook(lambda module, given, out: out.double())
    return model, torch.randint(VOCABULARY, (1, WORDS))


def logits_of(name, model, words, masked=None):
    """(words, vocabulary), of the output at each word."""
    made = []
    head = model.get_submodule(HEADS.get(name, "head"))
    hook = head.register_forward_hook(
        lambda module, given, out: made.append(out.reshape(-1, VOCABULARY))
    )
    others = [torch.zeros_like(words)]
    if name == "bert":
        masked = torch.arange(WORDS) if masked is None else torch.tensor(masked)
        others = [torch.zeros_like(words), masked[None], torch.zeros(1, len(masked)).long()]
    with torch.no_grad():
        model(words, *others)
    hook.remove()
    return torch.cat(made)


def seen(name):
    """[word, output]: whether the output changes with the word."""
    model, words = exact(name)
    plain = logits_of(name, model, words)
    rows = []
    for position in range(WORDS):
        changed = words.clone()
        changed[0, position] = (changed[0, position] + 1) % VOCABULARY
        difference = (logits_of(name, model, changed) - plain).abs().amax(dim=1)
        rows.append(difference > 1e-10 * plain.abs().max())
    return torch.stack(rows)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "bert"])
def test_an_output_sees_its_own_and_all_earlier_words(name):
    assert torch.equal(seen(name), torch.ones(WORDS, WORDS, dtype=torch.bool).triu())


def test_bert_sees_all_words():
    assert seen("bert").all()


def test_bert_predicts_where_words_are_masked():
    model, words = exact("bert")
    some = logits_of("bert", model, words, [4, 1])
    torch.testing.assert_close(some, logits_of("bert", model, words)[[4, 1]])


def test_what_llama_keeps_for_later_words_knows_the_words_before_alone():
    """Keys and values of the second layer: those of the first have seen no other word."""
    model, words = exact("llama")
    changed = words.clone()
    changed[0, 3] = (changed[0, 3] + 1) % VOCABULARY
    with torch.no_grad():
        kept, others = model(words)[1:], model(changed)[1:]
    assert len(kept) == 2 * LAYERS
    for ours, theirs in zip(kept[2:], others[2:], strict=True):
        difference = (ours - theirs).abs().amax(dim=(0, 1, 3))
        assert (difference > 1e-10 * ours.abs().max()).tolist() == [False] * 3 + [True] * 3


def test_transformer_xl_attends_to_its_memory_and_to_no_later_word():
    """One layer, by gradients."""
    model, _ = exact("transformer-xl")
    x, memory = (torch.randn(1, 4, 16, dtype=torch.float64) for _ in range(2))
    x.requires_grad_()
    memory.requires_grad_()
    out = model.layers[0](x, memory, model.sinusoids(8))
    of_x, of_memory = torch.autograd.grad(along(out[0, 1]), [x, memory])
    size = of_x.abs().max()
    assert (of_x[0, :2].abs().amax(dim=1) > 1e-6 * size).all()
    assert (of_x[0, 2:].abs() < 1e-12 * size).all()
    assert (of_memory[0].abs().amax(dim=1) > 1e-6 * size).all()
