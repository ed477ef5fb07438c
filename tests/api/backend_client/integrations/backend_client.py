"""What the client's template fills: each takes the members that its documentation names, and no others."""
from dataclasses import dataclass


class BackendClient:
    pass


@dataclass
class BackendUserContext:
    user_id: str
    account_status: str
    tier: str
    total_spending: float
    available_balance: float
    total_requests: int
    created_at: str
    last_request_at: str


@dataclass
class BackendBudgetInfo:
    daily_limit: float
    monthly_limit: float
    per_request_limit: float
    current_daily_spending: float
    current_monthly_spending: float
    period_start: str
    period_end: str


@dataclass
class BackendPolicyConfig:
    allowed_providers: list
    allowed_models: dict
    rate_limits: dict
    forbidden_operations: list
    require_approval_above: float


@dataclass
class BackendPaymentResult:
    success: bool
    tx_hash: str
    block_number: int
    amount_paid: float
    gas_used: int
    timestamp: str


@dataclass
class BackendProviderCost:
    provider: str
    model: str
    input_cost_per_1k: float
    output_cost_per_1k: float
    updated_at: str
