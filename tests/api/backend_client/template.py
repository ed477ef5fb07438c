import httpx
from integrations.backend_client import (
    BackendClient,
    BackendUserContext,
    BackendBudgetInfo,
    BackendPolicyConfig,
    BackendPaymentResult,
    BackendProviderCost
)

class ProductionBackendClient(BackendClient):
    def __init__(self, api_base_url: str, api_key: str):
        self.api_base_url = api_base_url
        self.api_key = api_key
        self.client = httpx.AsyncClient()

    def _headers(self):
        return {"Authorization": f"Bearer {self.api_key}"}

    async def get_user_context(self, user_id: str) -> BackendUserContext:
        response = await self.client.get(
            f"{self.api_base_url}/api/v1/users/{user_id}",
            headers=self._headers()
        )
        response.raise_for_status()
        data = response.json()
        return BackendUserContext(**data)

    async def get_budget_info(self, user_id: str, project_id: str) -> BackendBudgetInfo:
        response = await self.client.get(
            f"{self.api_base_url}/api/v1/users/{user_id}/projects/{project_id}/budget",
            headers=self._headers()
        )
        response.raise_for_status()
        data = response.json()
        return BackendBudgetInfo(**data)

    async def get_policy_config(self, user_id: str, project_id: str) -> BackendPolicyConfig:
        response = await self.client.get(
            f"{self.api_base_url}/api/v1/users/{user_id}/projects/{project_id}/policies",
            headers=self._headers()
        )
        response.raise_for_status()
        data = response.json()
        return BackendPolicyConfig(**data)

    async def get_provider_cost(self, provider: str, model: str) -> BackendProviderCost:
        response = await self.client.get(
            f"{self.api_base_url}/api/v1/providers/{provider}/models/{model}/cost",
            headers=self._headers()
        )
        response.raise_for_status()
        data = response.json()
        return BackendProviderCost(**data)

    async def execute_payment(
        self,
        user_id: str,
        amount: float,
        metadata: dict
    ) -> BackendPaymentResult:
        response = await self.client.post(
            f"{self.api_base_url}/api/v1/payments/execute",
            headers=self._headers(),
            json={
                "user_id": user_id,
                "amount": amount,
                "currency": "USDC",
                "network": "arc",
                "metadata": metadata
            }
        )
        response.raise_for_status()
        data = response.json()
        return BackendPaymentResult(**data)

    async def get_payment_status(self, tx_hash: str) -> dict:
        response = await self.client.get(
            f"{self.api_base_url}/api/v1/payments/{tx_hash}/status",
            headers=self._headers()
        )
        response.raise_for_status()
        return response.json()

    async def update_spending(
        self,
        user_id: str,
        project_id: str,
        amount: float,
        request_id: str
    ) -> bool:
        response = await self.client.post(
            f"{self.api_base_url}/api/v1/users/{user_id}/projects/{project_id}/spending",
            headers=self._headers(),
            json={
                "amount": amount,
                "request_id": request_id,
                "timestamp": datetime.now().isoformat()
            }
        )
        response.raise_for_status()
        return response.json().get("success", False)

    async def store_audit_log(self, request_id: str, audit_data: dict) -> bool:
        response = await self.client.post(
            f"{self.api_base_url}/api/v1/audit/logs",
            headers=self._headers(),
            json={
                "request_id": request_id,
                "audit_data": audit_data,
                "timestamp": datetime.now().isoformat()
            }
        )
        response.raise_for_status()
        return response.json().get("success", False)

    async def call_provider_api(
        self,
        provider: str,
        endpoint: str,
        payload: dict
    ) -> dict:
        response = await self.client.post(
            f"{self.api_base_url}/api/v1/providers/{provider}/call",
            headers=self._headers(),
            json={
                "endpoint": endpoint,
                "payload": payload
            }
        )
        response.raise_for_status()
        return response.json()
