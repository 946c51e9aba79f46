"""Graphs of tasks and of actors' methods that are written down first and run later.

`f.bind(...)` makes a node where `f.remote(...)` would submit a task; nodes are arguments of other
nodes. `node.execute(...)` submits the whole graph; `node.experimental_compile()` prepares a graph
of actors' methods so that values pass between their processes without a task for each.
"""

from pyray.dag.class_node import ClassMethodNode as ClassMethodNode
from pyray.dag.class_node import ClassNode as ClassNode
from pyray.dag.compiled_dag import CompiledDAG as CompiledDAG
from pyray.dag.compiled_dag_ref import CompiledDAGFuture as CompiledDAGFuture
from pyray.dag.compiled_dag_ref import CompiledDAGRef as CompiledDAGRef
from pyray.dag.context import DAGContext as DAGContext
from pyray.dag.dag_node import BIND_INDEX_KEY as BIND_INDEX_KEY
from pyray.dag.dag_node import IS_CLASS_METHOD_OUTPUT_KEY as IS_CLASS_METHOD_OUTPUT_KEY
from pyray.dag.dag_node import PARENT_CLASS_NODE_KEY as PARENT_CLASS_NODE_KEY
from pyray.dag.dag_node import PREV_CLASS_METHOD_CALL_KEY as PREV_CLASS_METHOD_CALL_KEY
from pyray.dag.dag_node import DAGNode as DAGNode
from pyray.dag.function_node import FunctionNode as FunctionNode
from pyray.dag.input_node import DAGInputData as DAGInputData
from pyray.dag.input_node import InputAttributeNode as InputAttributeNode
from pyray.dag.input_node import InputNode as InputNode
from pyray.dag.output_node import MultiOutputNode as MultiOutputNode

__all__ = [
    "BIND_INDEX_KEY",
    "IS_CLASS_METHOD_OUTPUT_KEY",
    "PARENT_CLASS_NODE_KEY",
    "PREV_CLASS_METHOD_CALL_KEY",
    "ClassMethodNode",
    "ClassNode",
    "CompiledDAG",
    "CompiledDAGFuture",
    "CompiledDAGRef",
    "DAGContext",
    "DAGInputData",
    "DAGNode",
    "FunctionNode",
    "InputAttributeNode",
    "InputNode",
    "MultiOutputNode",
]
