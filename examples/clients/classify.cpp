// Classifies a picture as `archc run` does, but for roundings of 1 in 255, by onnxruntime, nlohmann/json and stb: classify net.onnx cat.png
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <onnxruntime_cxx_api.h>
#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>
int main(int, char** words) {
  Ort::Env environment;
  Ort::Session session(environment, words[1], Ort::SessionOptions());
  Ort::AllocatorWithDefaultOptions memory;
  const auto fact = [&, metadata = session.GetModelMetadata()](const char* key, const char* otherwise) {
    const auto text = metadata.LookupCustomMetadataMapAllocated(key, memory);
    return nlohmann::json::parse(text ? text.get() : otherwise);
  };
  const auto how = fact("archc.preprocess", "{}"), labels = fact("archc.labels", "[]"), scores = fact("archc.scores", "[]");
  const auto probabilities = fact("archc.probabilities", "[]");
  const auto mean = how.value("mean", std::vector<float>{0}), deviation = how.value("std", std::vector<float>{1});
  auto shape = session.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape();
  const int bands = shape[1], height = shape[2], width = shape[3];
  int columns, rows, found, side = how.value("resize", 0);
  const unsigned char* picture = stbi_load(words[2], &columns, &rows, &found, bands);
  // the shorter side becomes `resize`, and the middle is cut out; without `resize` the whole picture is stretched
  const int wide = side ? side * columns / std::min(columns, rows) : width, high = side ? side * rows / std::min(columns, rows) : height;
  const auto filter = how.value("interpolation", "") == "bicubic" ? STBIR_FILTER_CATMULLROM : STBIR_FILTER_TRIANGLE;
  std::vector<unsigned char> resized(bands * wide * high);
  stbir_resize_uint8_generic(picture, columns, rows, 0, resized.data(), wide, high, 0, bands, -1, 0, STBIR_EDGE_CLAMP, filter, STBIR_COLORSPACE_LINEAR, 0);
  std::vector<float> input;
  const int left = std::lrint((wide - width) / 2.0), top = std::lrint((high - height) / 2.0);
  for (int at = 0; at < bands * height * width; at++) {
    const int band = at / (height * width), pixel = (at / width % height + top) * wide + at % width + left;
    const float value = resized[pixel * bands + (how.value("color", "") == "bgr" ? bands - 1 - band : band)] * how.value("scale", 1 / 255.0f);
    input.push_back((value - mean[band % mean.size()]) / deviation[band % deviation.size()]);
  }
  const std::string name = session.GetInputNameAllocated(0, memory).get(), output = std::count(scores.begin(), scores.end(), "logits") ? "logits" : scores.back();
  const char *names[] = {name.c_str()}, *outputs[] = {output.c_str()};
  auto tensor = Ort::Value::CreateTensor<float>(Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault), input.data(), input.size(), (shape[0] = 1, shape.data()), 4);
  auto answer = session.Run({}, names, &tensor, 1, outputs, 1);
  std::vector<double> shares(answer[0].GetTensorData<float>(), answer[0].GetTensorData<float>() + answer[0].GetTensorTypeAndShapeInfo().GetElementCount());
  double sum = 0, most = *std::max_element(shares.begin(), shares.end());
  if (std::count(probabilities.begin(), probabilities.end(), output)) sum = 1;
  else for (double& share : shares) sum += share = std::exp(share - most);
  for (int rank = 0; rank < 5; rank++) {
    const auto best = std::max_element(shares.begin(), shares.end());
    printf("%.6f  %zd  %s\n", *best / sum, best - shares.begin(), labels.empty() ? "" : labels[best - shares.begin()].get<std::string>().c_str());
    *best = -1;
  }
}
