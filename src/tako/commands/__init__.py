"""Every command and every reply: one vocabulary for the socket and for the store.

A command is atomic. Times are milliseconds since the epoch, durations milliseconds; payloads,
results and errors are JSON text. The three unions at the end say who may send what; a store
executes all of them but `Await`, which the server turns into `Get`, and `Watch` and `GetSystem`,
which it answers itself.
"""

from typing import Any

import msgspec

from tako.commands.access import CredentialList as CredentialList
from tako.commands.access import Grant as Grant
from tako.commands.access import Identified as Identified
from tako.commands.access import Identify as Identify
from tako.commands.access import KeepReply as KeepReply
from tako.commands.access import KeyUsed as KeyUsed
from tako.commands.access import ListCredentials as ListCredentials
from tako.commands.access import RevokeCredential as RevokeCredential
from tako.commands.access import UseKey as UseKey
from tako.commands.approvals import ApprovalList as ApprovalList
from tako.commands.approvals import ApprovalReply as ApprovalReply
from tako.commands.approvals import Ask as Ask
from tako.commands.approvals import AuditPage as AuditPage
from tako.commands.approvals import Count as Count
from tako.commands.approvals import CountApprovals as CountApprovals
from tako.commands.approvals import Decide as Decide
from tako.commands.approvals import Decided as Decided
from tako.commands.approvals import Delegate as Delegate
from tako.commands.approvals import GetApproval as GetApproval
from tako.commands.approvals import LinkOpened as LinkOpened
from tako.commands.approvals import ListApprovals as ListApprovals
from tako.commands.approvals import Minted as Minted
from tako.commands.approvals import MintLink as MintLink
from tako.commands.approvals import OpenLink as OpenLink
from tako.commands.approvals import PruneAudit as PruneAudit
from tako.commands.approvals import ReadAudit as ReadAudit
from tako.commands.approvals import Remind as Remind
from tako.commands.approvals import Reminded as Reminded
from tako.commands.approvals import RevokeLinks as RevokeLinks
from tako.commands.approvals import RotateLinkKey as RotateLinkKey
from tako.commands.approvals import Show as Show
from tako.commands.approvals import Told as Told
from tako.commands.looking import Changes as Changes
from tako.commands.looking import CountRuns as CountRuns
from tako.commands.looking import DueList as DueList
from tako.commands.looking import EventGroups as EventGroups
from tako.commands.looking import GetQueues as GetQueues
from tako.commands.looking import GetStep as GetStep
from tako.commands.looking import GetStorage as GetStorage
from tako.commands.looking import GetStory as GetStory
from tako.commands.looking import GetSystem as GetSystem
from tako.commands.looking import GetWorkflowStats as GetWorkflowStats
from tako.commands.looking import ListDue as ListDue
from tako.commands.looking import ListEventGroups as ListEventGroups
from tako.commands.looking import ListLogs as ListLogs
from tako.commands.looking import ListMailbox as ListMailbox
from tako.commands.looking import ListWaitersOf as ListWaitersOf
from tako.commands.looking import LogPage as LogPage
from tako.commands.looking import Mailbox as Mailbox
from tako.commands.looking import Queues as Queues
from tako.commands.looking import RunCounts as RunCounts
from tako.commands.looking import StepReply as StepReply
from tako.commands.looking import Storage as Storage
from tako.commands.looking import Story as Story
from tako.commands.looking import System as System
from tako.commands.looking import WaiterPage as WaiterPage
from tako.commands.looking import Watch as Watch
from tako.commands.looking import WorkflowStats as WorkflowStats
from tako.commands.message import Message as Message
from tako.commands.runs import Await as Await
from tako.commands.runs import Bail as Bail
from tako.commands.runs import Cancel as Cancel
from tako.commands.runs import Changed as Changed
from tako.commands.runs import Claim as Claim
from tako.commands.runs import Claimed as Claimed
from tako.commands.runs import ClaimedRun as ClaimedRun
from tako.commands.runs import Deliver as Deliver
from tako.commands.runs import Drain as Drain
from tako.commands.runs import Enqueue as Enqueue
from tako.commands.runs import Enqueued as Enqueued
from tako.commands.runs import Error as Error
from tako.commands.runs import Exists as Exists
from tako.commands.runs import Fail as Fail
from tako.commands.runs import Get as Get
from tako.commands.runs import Heartbeat as Heartbeat
from tako.commands.runs import ListRuns as ListRuns
from tako.commands.runs import ListSteps as ListSteps
from tako.commands.runs import ListWaits as ListWaits
from tako.commands.runs import ListWorkflows as ListWorkflows
from tako.commands.runs import Load as Load
from tako.commands.runs import Loaded as Loaded
from tako.commands.runs import Log as Log
from tako.commands.runs import Lost as Lost
from tako.commands.runs import NotParked as NotParked
from tako.commands.runs import Ok as Ok
from tako.commands.runs import Park as Park
from tako.commands.runs import Parked as Parked
from tako.commands.runs import Register as Register
from tako.commands.runs import Registered as Registered
from tako.commands.runs import Release as Release
from tako.commands.runs import Rerun as Rerun
from tako.commands.runs import RunList as RunList
from tako.commands.runs import RunReply as RunReply
from tako.commands.runs import SaveStep as SaveStep
from tako.commands.runs import ShiftLeases as ShiftLeases
from tako.commands.runs import Signal as Signal
from tako.commands.runs import Signalled as Signalled
from tako.commands.runs import Spread as Spread
from tako.commands.runs import StepList as StepList
from tako.commands.runs import Stop as Stop
from tako.commands.runs import Succeed as Succeed
from tako.commands.runs import Tick as Tick
from tako.commands.runs import Unwait as Unwait
from tako.commands.runs import Wait as Wait
from tako.commands.runs import Waiting as Waiting
from tako.commands.runs import WaitList as WaitList
from tako.commands.runs import WorkflowList as WorkflowList

ClientCommand = (
    Enqueue
    | Signal
    | Cancel
    | Rerun
    | Get
    | Await
    | ListRuns
    | ListSteps
    | ListWaits
    | ListWorkflows
    | Decide
    | Delegate
    | Show
    | Remind
    | Told
    | GetApproval
    | ListApprovals
    | CountApprovals
    | MintLink
    | OpenLink
    | RevokeLinks
    | RotateLinkKey
    | ReadAudit
    | Grant
    | Identify
    | RevokeCredential
    | ListCredentials
    | UseKey
    | KeepReply
    | CountRuns
    | GetStory
    | GetStep
    | GetWorkflowStats
    | ListDue
    | GetStorage
    | GetQueues
    | GetSystem
    | ListEventGroups
    | ListLogs
    | ListMailbox
    | ListWaitersOf
    | Watch
)
WorkerCommand = (
    Register
    | Claim
    | Load
    | SaveStep
    | Wait
    | Ask
    | Unwait
    | Park
    | Succeed
    | Bail
    | Fail
    | Release
    | Log
    | Heartbeat
)
ServerCommand = Tick | Spread | Lost | ShiftLeases | PruneAudit
Command = ClientCommand | WorkerCommand | ServerCommand
Reply = (
    Ok
    | Error
    | Enqueued
    | Signalled
    | Changed
    | RunReply
    | RunList
    | StepList
    | WaitList
    | WorkflowList
    | Registered
    | Claimed
    | Loaded
    | Exists
    | Waiting
    | Parked
    | NotParked
    | Decided
    | ApprovalReply
    | ApprovalList
    | Count
    | Reminded
    | Minted
    | LinkOpened
    | AuditPage
    | Identified
    | CredentialList
    | KeyUsed
    | RunCounts
    | Story
    | StepReply
    | WorkflowStats
    | DueList
    | Storage
    | EventGroups
    | LogPage
    | Mailbox
    | Queues
    | System
    | WaiterPage
    | Changes
)
Push = Deliver | Stop | Drain
Requests = list[tuple[int, ClientCommand | WorkerCommand]]
Responses = list[tuple[int, Reply | Push]]


class Effects(msgspec.Struct):
    """What a batch changed for others than those who asked; the server passes it on.

    ``pushes``: (worker_id, push). ``ended``: runs whose end somebody may await. ``ready``: groups
    that may have something to claim. ``spreading``: events to go on with. ``timed``: a time was
    written, so that the timer must look again. ``runs`` and ``approvals`` were changed, beside the
    runs that commands and pushes name.
    """

    pushes: list[tuple[str, Push]] = []
    ended: list[str] = []
    ready: set[str] = set()
    spreading: list[str] = []
    timed: bool = False
    runs: list[str] = []
    approvals: set[str] = set()


class Outcome(msgspec.Struct, frozen=True):
    """What a store answers: one reply for each command, in order, and the effects of all."""

    replies: list[Any]
    effects: Effects


READS = frozenset(
    {
        Get,
        ListRuns,
        ListSteps,
        ListWaits,
        ListWorkflows,
        Load,
        GetApproval,
        ListApprovals,
        CountApprovals,
        OpenLink,
        ReadAudit,
        Identify,
        ListCredentials,
        CountRuns,
        GetStory,
        GetStep,
        GetWorkflowStats,
        ListDue,
        GetStorage,
        GetQueues,
        ListEventGroups,
        ListWaitersOf,
        ListMailbox,
        ListLogs,
    }
)
