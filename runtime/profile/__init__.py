"""Where a model's time goes: onnxruntime's own profile, told by the nodes of the file and their lines in the spec."""

from __future__ import annotations

from .attribute import StepTime as StepTime
from .attribute import group_steps as group_steps
from .ceilings import Ceilings as Ceilings
from .ceilings import measure_ceilings as measure_ceilings
from .profile import Profile as Profile
from .profile import profile_session as profile_session
