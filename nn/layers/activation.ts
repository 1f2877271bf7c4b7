import {
  elu,
  gelu,
  leakyRelu,
  silu,
  softplus,
  type GeluOptions,
  type SoftplusOptions,
} from '../../engine/ops/activation.js';
import { relu, sigmoid, tanh } from '../../engine/ops/elementwise.js';
import type { Tensor } from '../../engine/tensor.js';
import { Module } from '../module.js';

/** max(x, 0), as PyTorch's `nn.ReLU`. */
export class ReLU extends Module {
  /** Any shape to the same shape. */
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** 1 / (1 + exp(-x)), as PyTorch's `nn.Sigmoid`. */
export class Sigmoid extends Module {
  /** Any shape to the same shape. */
  forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/** The hyperbolic tangent, as PyTorch's `nn.Tanh`. */
export class Tanh extends Module {
  /** Any shape to the same shape. */
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** x sigmoid(x), as PyTorch's `nn.SiLU`. */
export class SiLU extends Module {
  /** Any shape to the same shape. */
  forward(x: Tensor): Tensor {
    return silu(x);
  }
}

/** x where positive, `negativeSlope` x (0.01 unless told) elsewhere, as PyTorch's `nn.LeakyReLU`. */
export class LeakyReLU extends Module {
  constructor(readonly negativeSlope = 0.01) {
    super();
  }

  /** Any shape to the same shape. */
  forward(x: Tensor): Tensor {
    return leakyRelu(x, this.negativeSlope);
  }
}

/** x where positive, `alpha` (exp(x) - 1) (1 unless told) elsewhere, as PyTorch's `nn.ELU`. */
export class ELU extends Module {
  constructor(readonly alpha = 1) {
    super();
  }

  /** Any shape to the same shape. */
  forward(x: Tensor): Tensor {
    return elu(x, this.alpha);
  }
}

/** x Phi(x) with the normal distribution function, or its approximation by tanh, as PyTorch's `nn.GELU`. */
export class GELU extends Module {
  constructor(readonly options: GeluOptions = {}) {
    super();
  }

  /** Any shape to the same shape. */
  forward(x: Tensor): Tensor {
    return gelu(x, this.options);
  }
}

/** ln(1 + exp(beta x)) / beta, as PyTorch's `nn.Softplus`. */
export class Softplus extends Module {
  constructor(readonly options: SoftplusOptions = {}) {
    super();
  }

  /** Any shape to the same shape. */
  forward(x: Tensor): Tensor {
    return softplus(x, this.options);
  }
}
