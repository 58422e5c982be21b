"""What the pages say, in English and Chinese: one dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}  # code -> what it calls itself
WORDS: Mapping[str, tuple[str, str]] = {  # key -> English, Chinese
    "zoo": ("paddle-model-zoo", "paddle-model-zoo"),
    "skip": ("Skip to the content", "跳到正文"),
    "sections": ("Sections", "栏目"),
    "documentation": ("Documentation", "文档"),
    "language": ("Language", "语言"),
    "theme": ("Theme", "主题"),
    "theme.auto": ("as the system", "跟随系统"),
    "theme.light": ("light", "浅色"),
    "theme.dark": ("dark", "深色"),
    "copy": ("copy", "复制"),
    "copied": ("copied", "已复制"),
    "scripts": ("Filters need JavaScript; everything is shown.", "筛选需要 JavaScript；此处列出全部内容。"),
    # Filters.
    "filters": ("Filters", "筛选"),
    "search": ("search", "搜索"),
    "all": ("all", "全部"),
    "reset": ("Reset", "重置"),
    "shown": ("{} of {}", "{} / {} 项"),
    "more": ("Show more", "显示更多"),
    "nothing": ("Nothing has all of that.", "没有符合全部条件的内容。"),
    # Models.
    "models": ("Models", "模型"),
    "models.about": (
        "Every checkpoint that the zoo knows by name. Any other repository or folder with one of these networks "
        "loads as well.",
        "本库按名称收录的全部检查点。其他仓库或文件夹，只要是其中一种网络，同样可以加载。",
    ),
    "name": ("name", "名称"),
    "family": ("family", "家族"),
    "parameters": ("parameters", "参数量"),
    "languages": ("languages", "语言"),
    "heads": ("task", "任务"),
    "licence": ("licence", "许可证"),
    "state": ("state", "状态"),
    "size": ("size", "规模"),
    "size.1": ("under 100 M", "1 亿以下"),
    "size.2": ("100 to 400 M", "1 亿至 4 亿"),
    "size.3": ("400 M to 1 G", "4 亿至 10 亿"),
    "size.4": ("over 1 G", "10 亿以上"),
    "size.0": ("not established", "未知"),
    "languages.en": ("English", "英语"),
    "languages.zh": ("Chinese", "中文"),
    "languages.many": ("several", "多语言"),
    "heads.none": ("none: any head, untrained", "无：可加任意未训练的头"),
    "heads.classification": ("classification", "分类"),
    "heads.tagging": ("tagging", "序列标注"),
    "heads.qa": ("questions (qa)", "问答（qa）"),
    "heads.mlm": ("gaps (mlm)", "填空（mlm）"),
    "heads.embedding": ("vectors (embedding)", "向量（embedding）"),
    "heads.generation": ("generation", "生成"),
    "state.reproduced": ("reproduced", "已复现"),
    "state.proven": ("proven", "已证明"),
    "state.open": ("open", "未完成"),
    "model.reproduced": ("published scores were measured again here", "已在此重新测得公开分数"),
    "model.proven": ("the conversion is proven, at true size", "转换已在真实规模下证明"),
    "model.open": ("not proven for this checkpoint", "此检查点尚未证明"),
    # A model.
    "model": ("model", "模型"),
    "facts": ("What is known", "已知信息"),
    "type": ("What to type", "可用命令"),
    "type.look": ("Look at it", "查看"),
    "type.convert": ("Convert it", "转换"),
    "type.load": ("Load it", "加载"),
    "type.pipeline": ("Ask it", "直接使用"),
    "type.train": ("Finetune it", "微调"),
    "type.measure": ("Measure its published scores", "测量公开分数"),
    "fact.family": ("family", "家族"),
    "fact.architecture": ("class", "类名"),
    "fact.sizes": ("sizes", "尺寸"),
    "fact.parameters": ("parameters", "参数量"),
    "fact.languages": ("languages", "语言"),
    "fact.licence": ("licence", "许可证"),
    "fact.heads": ("heads", "头"),
    "fact.also called": ("also called", "别名"),
    "fact.sources": ("sources", "来源"),
    "fact.checked": ("checked", "验证情况"),
    "fact.prompts": ("prompts", "前缀"),
    "fact.use": ("use", "用法"),
    "scores": ("Published scores", "公开分数"),
    "scores.more": ("{} more in the ledger", "台账中另有 {} 项"),
    "scores.all": ("All of its numbers in the ledger", "台账中该模型的全部数值"),
    "scores.none": ("No published score is known.", "没有已知的公开分数。"),
    "tried": ("Try it", "试用"),
    # The ledger.
    "ledger": ("Ledger", "台账"),
    "ledger.about": (
        "Every number that the papers, model cards and tutorials of these models publish, as far as it is known "
        "here, and what became of it.",
        "这些模型的论文、模型卡与教程公布的数值（以本库所知为限），以及它们在此处的结果。",
    ),
    "meaning.reproduced": ("measured here, within the tolerance", "已在此测得，且在容差之内"),
    "meaning.proven": (
        "the same network, losses and metric as the original's; it was not run",
        "网络、损失与指标同原版一致；尚未运行",
    ),
    "meaning.open": (
        "something is missing, or what was measured is another number",
        "缺少条件，或测得的是另一个数值",
    ),
    "task": ("task", "任务"),
    "metric": ("metric", "指标"),
    "split": ("split", "划分"),
    "how": ("how", "取得方式"),
    "published": ("published", "公开值"),
    "ours": ("ours", "本库"),
    "difference": ("difference", "差异"),
    "reason": ("why", "原因"),
    "source": ("published in", "出处"),
    "others": ("other networks", "其他网络"),
    # Runs.
    "runs": ("Runs", "训练结果"),
    "runs.about": ("What lies in {}, the newest first.", "{} 中的内容，最新的在前。"),
    "runs.none": (
        "There is no run in {}. Train one, or say where they are: zoo ui --runs FOLDER",
        "{} 中没有训练结果。请先训练，或指定位置：zoo ui --runs FOLDER",
    ),
    "runs.cut": (
        "There is more than is shown: {} runs at most, {} levels deep.",
        "未显示全部：最多 {} 个，深 {} 层。",
    ),
    "run": ("run", "运行"),
    "score": ("score", "分数"),
    "written": ("written", "时间"),
    "report": ("report", "报告"),
    "compare": ("Compare", "比较"),
    "compare.how": ("Tick two or more finished runs.", "勾选两个或更多已完成的运行。"),
    "compare.tick": ("compare {}", "比较 {}"),
    "status.finished": ("finished", "已完成"),
    "status.running": ("running", "进行中"),
    "status.failed": ("failed", "失败"),
    "status.stopped": ("stopped", "已停止"),
    "status.exported": ("exported", "已导出"),
    "status.unreadable": ("cannot be read", "无法读取"),
    # Try.
    "try": ("Try", "试用"),
    "try.about": (
        "A pipeline, a model and a text. What is typed here stays on this machine.",
        "选择流水线、模型并输入文本。输入的内容只留在本机。",
    ),
    "try.hub": (
        "A published model is downloaded first where it is not on this machine; the terminal shows how far it is.",
        "已发布的模型若不在本机，会先下载；进度显示在终端。",
    ),
    "try.none": (
        "No model here has the head that this needs. Start with one: zoo ui --model MODEL, or --runs FOLDER",
        "这里没有带所需头的模型。请在启动时指定：zoo ui --model MODEL，或 --runs FOLDER",
    ),
    "pipeline": ("Pipeline", "流水线"),
    "pipeline.classification": ("classification", "分类"),
    "pipeline.ner": ("entities", "实体"),
    "pipeline.qa": ("questions", "问答"),
    "pipeline.fill-mask": ("gaps", "填空"),
    "pipeline.embeddings": ("similarity", "相似度"),
    "pipeline.zero-shot": ("labels of your own", "自定标签"),
    "pipeline.rerank": ("rerank", "重排"),
    "pipeline.text2text": ("text to text", "文本生成"),
    "group.given": ("given at the start", "启动时指定"),
    "group.runs": ("runs", "训练结果"),
    "group.cards": ("published", "已发布"),
    "field.text": ("Text", "文本"),
    "field.pair": ("Second text (for models of pairs)", "第二段文本（用于句对模型）"),
    "field.question": ("Question", "问题"),
    "field.context": ("Context", "上下文"),
    "field.masked": ("Text with the model's mask, such as [MASK] or <mask>", "含掩码的文本，如 [MASK] 或 <mask>"),
    "field.others": ("Texts to compare with, one a line", "用于比较的文本，每行一条"),
    "field.labels": ("Labels, with commas", "标签，用英文逗号分隔"),
    "field.query": ("Query", "查询"),
    "field.texts": ("Texts to rank, one a line", "待排序的文本，每行一条"),
    "answer.go": ("Answer", "运行"),
    "answer.busy": ("Working; the first answer of a model takes longer", "处理中；模型首次运行耗时较长"),
    "answer": ("Answer", "结果"),
    "answer.none": ("nothing found", "没有结果"),
    "answer.no answer": ("the context has no answer", "上下文中没有答案"),
    "answer.by": ("{} in {} s", "{}，{} 秒"),
    "answer.vector": ("A vector of {} numbers, which begins {}.", "{} 维向量，开头为 {}。"),
    "column.label": ("label", "标签"),
    "column.score": ("score", "分数"),
    "column.value": ("value", "数值"),
    "column.text": ("text", "文本"),
    "column.answer": ("answer", "答案"),
    "column.gap": ("gap", "空位"),
    "column.word": ("word", "词"),
    "column.sentence": ("sentence", "句子"),
    # Errors.
    "error": ("That does not work", "无法完成"),
    "error.page": ("There is no such page.", "没有这个页面。"),
    "error.ours": (
        "Something went wrong inside the zoo. The terminal that runs `zoo ui` shows what.",
        "程序内部出错，详情见运行 `zoo ui` 的终端。",
    ),
}


@dataclass(frozen=True)
class Said:
    """The words of a language: `said("models")`.

    Attributes:
        language: a key of LANGUAGES.
    """

    language: str

    def __call__(self, key: str, *values: object) -> str:
        """Gives a text, with values in place of its {}.

        Raises:
            KeyError: there is no such text.
        """
        return WORDS[key][list(LANGUAGES).index(self.language)].format(*values)

    def label(self, kind: str, value: str) -> str:
        """Gives what a value of a kind is called; the value itself where it has no other name."""
        key = f"{kind}.{value}"
        return self(key) if key in WORDS else value
