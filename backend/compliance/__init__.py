"""The word check at work: dictionary versions, stored verdicts, exemptions, listings, re-checks, file
checks.

`backend.words` judges; this package decides with which version of the dictionary and remembers the
verdict in the database,
where publishing asks for it. Scripts, reply templates, outgoing replies and announcements call `check`
and nothing else:

    results = check(service.rpc, [Subject(text=…, kind="reply", shop_id=…, entity="reply", entity_id=…,
    part="body")])

- `checking`    check(rpc, subjects), check_revision(rpc, revision_id), look(rpc, text, …) without storing
- `dictionary`  current(rpc), proposed(rpc, version, proposal_id): versions as the engine takes them
- `reads`       what the pages read; `commands` what people do; `models` their values
- `transfer`    the dictionary as a file: export, and a file as operations with refused rows named
- `rechecks`    kinds of the worker: re-check of all texts, trial of a proposal, end of an exemption
- `files`       a file of listings in, a workbook with the hits highlighted out
"""

from backend.compliance.checking import Subject, check, check_revision, look

__all__ = ["Subject", "check", "check_revision", "look"]
