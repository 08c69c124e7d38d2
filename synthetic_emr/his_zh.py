"""An extract as a Chinese hospital information system would export it.

GB18030, CRLF, Chinese headers and values, written from the vocabulary of such a system and not from our source profile,
so that the profile `his_zh` is really tested.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path

from synthetic_emr.contract import FEEDS, Extract, Row
from synthetic_emr.files import describe, write_manifest
from synthetic_emr.reference import REFERENCE_DATE, REFERENCE_SEED, build_reference_extract, reference_folder

_FILES: Mapping[str, tuple[str, str]] = {
    "patients": ("患者信息", "病案号 性别 出生日期 姓名 身份证号 联系电话 住址"),
    "diagnoses": ("诊断记录", "病案号 诊断日期 编码体系 诊断编码 诊断名称 免疫分型 诊断方法"),
    "prior_therapies": ("既往化疗", "病案号 疗程序号 治疗阶段 化疗方案 开始日期 结束日期 疗效"),
    "lab_results": ("检验结果", "病案号 采样时间 标本类型 项目代码 项目名称 结果 单位"),
    "vital_signs": ("生命体征", "病案号 测量时间 体征项目 测量值 单位"),
    "marrow_assessments": ("骨髓检查", "病案号 采样日期 原始细胞百分比 检查方法"),
    "mrd_results": ("微小残留病", "病案号 采样日期 检测方法 检测靶点 定量结果 定性结果"),
    "extramedullary_assessments": ("髓外评估", "病案号 评估日期 部位 评估方法 结论"),
    "molecular_findings": ("分子检测", "病案号 采样日期 变异类型 基因 结果"),
    "medications": ("用药医嘱", "病案号 药品名称 开始时间 停止时间 剂量 剂量单位 用药目的"),
    "cart_infusions": ("细胞回输", "病案号 回输编号 回输时间 疗程 分次 靶点 细胞数每公斤"),
    "adverse_events": ("不良事件", "病案号 事件编号 上级事件编号 事件名称 分级 分级标准 开始日期 结束日期 阶段"),
    "encounters": ("就诊记录", "病案号 就诊号 病区类型 入院时间 出院时间"),
    "procedures": ("手术操作", "病案号 操作名称 操作日期 操作说明"),
    "follow_ups": ("随访记录", "病案号 随访日期 生存状态 死亡日期 死亡原因 疾病状态 复发日期 复发部位"),
}
_SIGNS = {"negative": "阴性", "positive": "阳性"}
_VALUES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("patients", "sex"): {"F": "女", "M": "男"},
    ("prior_therapies", "phase"): {
        "induction": "诱导",
        "consolidation": "巩固",
        "maintenance": "维持",
        "salvage": "挽救",
    },
    ("prior_therapies", "outcome"): {
        "complete_remission": "完全缓解",
        "no_remission": "未缓解",
        "mrd_persistent": "微小残留持续阳性",
        "relapse": "复发",
    },
    ("lab_results", "specimen"): {"blood": "血液", "csf": "脑脊液"},
    ("lab_results", "loinc"): {
        "6690-2": "WBC",
        "751-8": "NEUT",
        "777-3": "PLT",
        "718-7": "HGB",
        "1742-6": "ALT",
        "1920-8": "AST",
        "1975-2": "TBIL",
        "1988-5": "CRP",
        "2276-4": "FER",
        "26881-3": "IL6",
        "26446-6": "BLAST",
    },
    ("lab_results", "unit"): {"10*9/L": "×10^9/L"},
    ("vital_signs", "sign"): {
        "temperature": "体温",
        "systolic_bp": "收缩压",
        "spo2": "血氧饱和度",
        "oxygen_flow": "氧流量",
    },
    ("vital_signs", "unit"): {"Cel": "℃", "L/min": "升/分"},
    ("marrow_assessments", "method"): {"morphology": "骨髓形态学"},
    ("mrd_results", "method"): {"flow": "流式细胞术", "qpcr": "定量PCR"},
    ("mrd_results", "result"): _SIGNS,
    ("extramedullary_assessments", "site"): {"cns": "中枢神经系统", "testis": "睾丸", "skin": "皮肤"},
    ("extramedullary_assessments", "finding"): {"present": "有", "absent": "未见"},
    ("molecular_findings", "kind"): {"fusion": "融合基因", "mutation": "基因突变"},
    ("molecular_findings", "result"): _SIGNS,
    ("medications", "purpose"): {
        "lymphodepletion": "清淋预处理",
        "crs_treatment": "细胞因子风暴治疗",
        "consolidation": "巩固治疗",
        "salvage": "挽救治疗",
    },
    ("adverse_events", "term"): {
        "CRS": "细胞因子释放综合征",
        "fever": "发热",
        "hypotension": "低血压",
        "hypoxemia": "低氧血症",
        "capillary leak syndrome": "毛细血管渗漏综合征",
        "hepatic injury": "肝损伤",
        "heart injury": "心脏损伤",
        "neurotoxicity": "神经毒性",
        "infection": "感染",
        "GVHD": "移植物抗宿主病",
        "erythra": "皮疹",
        "gastrointestinal reactions": "胃肠道反应",
        "hemorrhagic cystitis": "出血性膀胱炎",
        "hepatic veno-occlusive disease": "肝静脉闭塞病",
    },
    ("adverse_events", "phase"): {"cart": "细胞治疗", "hsct": "移植"},
    ("encounters", "care_unit"): {"ward": "普通病房", "icu": "重症监护", "outpatient": "门诊"},
    ("procedures", "procedure"): {"allo_hsct": "异基因造血干细胞移植", "leukapheresis": "白细胞单采"},
    ("follow_ups", "vital_status"): {"alive": "存活", "dead": "死亡"},
    ("follow_ups", "disease_status"): {"remission": "缓解", "relapse": "复发", "not_assessed": "未评估"},
}
_ISO = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2})(?:[T ](.+))?)?")
# What such a system writes where it has nothing to say; other columns stay empty.
_NOTHING = {"death_on": "—", "relapse_on": "-", "relapse_site": "无", "parent_event_id": "/"}


def write_his_zh_extract(out_dir: Path, *, seed: int = REFERENCE_SEED, extract: Extract | None = None) -> Path:
    """Write an extract as `out_dir/2018-07-30/患者信息.csv` and so on, the same bytes for the same rows.

    Args:
        out_dir: the folder of extracts, made if it is missing.
        seed: of the reference extract.
        extract: other rows than those of the reference extract.

    Returns:
        The extract folder.
    """
    folder = reference_folder(out_dir)
    written = []
    for feed, rows in (build_reference_extract(seed=seed) if extract is None else extract).items():
        stem, headers = _FILES[feed]
        path = folder / f"{stem}.csv"
        path.write_bytes(_table(feed, headers.split(), rows))
        written.append(describe(path, feed, len(rows)))
    write_manifest(folder, REFERENCE_DATE, "snapshot", written, source_system="his")
    return folder


def _table(feed: str, headers: list[str], rows: list[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(headers)
    writer.writerows([_cell(feed, column, row.get(column, "")) for column in FEEDS[feed]] for row in rows)
    return text.getvalue().encode("gb18030")


def _cell(feed: str, column: str, text: str) -> str:
    if not text:
        return _NOTHING.get(column, "")
    if column.endswith(("_on", "_at", "_date")):
        return _chinese_date(text)
    return _VALUES.get((feed, column), {}).get(text, text)


def _chinese_date(text: str) -> str:
    """2018年7月30日, with the time after a blank where there is one; 2018年7月 for a month. Other text stays."""
    found = _ISO.fullmatch(text)
    if found is None:
        return text
    year, month, day, time = found.groups()
    written = f"{year}年{int(month)}月" + (f"{int(day)}日" if day else "")
    return f"{written} {time}" if time else written
