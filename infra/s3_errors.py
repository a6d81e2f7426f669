"""What an S3 server or boto3 says, as errors that a user understands."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
)
from botocore.exceptions import ConnectionError as NoConnectionError

from schemas.errors import StoreError, StoreUnavailableError

CREDENTIALS: Final = (
    "credentials come from the environment, a profile or a role, as for every AWS tool "
    "(`aws sts get-caller-identity` tells whose they are)"
)
OUT: Final = (HTTPClientError, NoConnectionError, IncompleteReadError)
REFUSALS: Final = {
    "NoSuchBucket": "the bucket is not there; make it, or mend `store`",
    "InvalidAccessKeyId": f"the access key is not known there; {CREDENTIALS}",
    "SignatureDoesNotMatch": f"the secret key is wrong; {CREDENTIALS}",
    "ExpiredToken": f"the credentials have expired; {CREDENTIALS}",
    "AccessDenied": f"these credentials may not do that; {CREDENTIALS}",
    "403": f"these credentials may not do that; {CREDENTIALS}",
    "RequestTimeTooSkewed": "the clock of this machine is wrong; set it",
}


def code_of(error: ClientError) -> str:
    """The server's word for what is wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))


def may_have_happened(error: ClientError) -> bool:
    """Whether the refused request had been sent before, and that one may have done it."""
    return bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0))


@contextmanager
def translated(what: str) -> Iterator[None]:
    """StoreUnavailableError for a server that does not answer, StoreError where it refuses, or what
    boto3 is told to use makes no sense."""
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = code_of(error)
        if status >= 500 or status == 429 or code in ("SlowDown", "ConditionalRequestConflict"):
            raise StoreUnavailableError(f"{what}: the server is busy or out: {error}") from error
        said = error.response.get("Error", {}).get("Message", "")
        why = REFUSALS.get(code) or REFUSALS.get(str(status)) or said
        raise StoreError(f"{what}: {error.operation_name} refused ({code}): {why}") from error
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise StoreError(f"{what}: {error}; {CREDENTIALS}") from error
    except SSLError as error:
        raise StoreError(f"{what}: the server's certificate is not trusted: {error}") from error
    except OUT as error:
        raise StoreUnavailableError(f"{what}: the server does not answer: {error}") from error
    except (BotoCoreError, ValueError) as error:  # the latter for an endpoint that is no URL
        raise StoreError(f"{what}: {error}; {CREDENTIALS}") from error
